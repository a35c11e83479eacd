"""Images as v1 and the plain routes write them in JSON: base64, objects around it, or nested lists of numbers."""

from collections.abc import Sequence

from predictor.errors import BadRequest
from predictor.imagefile import from_base64
from predictor.jsontext import Array, Document, Object, fields
from predictor.pixels import check_nesting, image_size, nested, numbers, pixels, skeleton
from predictor.query import Image, Limits, Pixels

_FORMS = ("image_bytes", "image", "b64")


def read_images(document: Document, items: Array, where: str, limits: Limits) -> Sequence[Image] | Pixels:
    """The images in a list, pixels as one array when all of them are; raises BadRequest."""
    count = len(items)
    if not 1 <= count <= limits.images:
        raise BadRequest(f"{where}: found {count} images, wanted 1 to {limits.images} a request")
    if len(document.root) == 1 and all(type(item) is Array for item in items):
        # The whole body is nested numbers with one name before them: its brackets and commas are known already.
        size = (count, *image_size(limits))
        found = numbers(items, where, size)
        check_nesting(document.skeleton == b"{" + skeleton(size) + b"}", where, size)
        return pixels(found, where, size)
    document.check_depth(limits.depth)
    return [read_image(item, f"{where}[{index}]", limits) for index, item in enumerate(items)]


def read_image(item: object, where: str, limits: Limits) -> Image:
    """One image in any of the forms; other names beside it, such as TF Serving's `key`, are ignored."""
    if type(item) is Array:
        return nested(item, where, image_size(limits))
    if type(item) is not Object:
        return from_base64(item, where)
    found = fields(item, where, _FORMS)
    if len(found) != 1:
        raise BadRequest(f"{where}: found {len(found)} images, wanted one of {', '.join(_FORMS)}")
    ((name, value),) = found.items()
    if name == "b64":
        return from_base64(value, f"{where}.b64")
    if type(value) is Object:
        return from_base64(fields(value, f"{where}.{name}", ("b64",)).get("b64"), f"{where}.{name}.b64")
    return read_image(value, f"{where}.{name}", limits)
