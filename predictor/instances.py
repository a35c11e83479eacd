"""Images as v1 and the plain routes write them in JSON: base64, objects around it, or nested lists of numbers."""

import re
from collections.abc import Sequence

from predictor.errors import BadRequest
from predictor.imagefile import base64_decoded, from_base64
from predictor.jsontext import Array, Document, Object, fields
from predictor.pixels import check_nesting, image_size, nested, numbers, pixels, skeleton
from predictor.query import Image, Limits, Pixels

_FORMS = ("image_bytes", "image", "b64")

# The beginning of a body that has one file and nothing else, as most have; a blank stands for any space.
_LONE = re.compile(
    rb' \{ "instances" : \[ (?:\{ (?:"image(?:_bytes)?" : \{ )?"b64" : )?"'.replace(b" ", rb"[ \t\r\n]*")
)
_SPACE = b" \t\r\n"


def lone_file(body: bytes) -> bytes | None:
    """The file of `{"instances": […]}` with one in base64 in it; None when the body says more, or something else.

    Such a body is valid JSON by what is compared here: between its two ends is no character but those of base64.
    """
    beginning = _LONE.match(body)
    if beginning is None:
        return None
    start, end = beginning.end(), body.rfind(b'"')
    if body[end:].translate(None, _SPACE) != b'"' + b"}" * (body.count(b"{", 0, start) - 1) + b"]}":
        return None
    try:
        return base64_decoded(body[start:end])
    except ValueError:
        return None


def read_images(document: Document, items: Array, where: str, limits: Limits) -> Sequence[Image] | Pixels:
    """The images in a list, pixels as one array when all of them are; raises BadRequest."""
    count = len(items)
    if not 1 <= count <= limits.images:
        raise BadRequest(f"{where}: found {count} images, wanted 1 to {limits.images} a request")
    if type(items[0]) is Array and len(document.root) == 1 and all(type(item) is Array for item in items):
        # The whole body is nested numbers with one name before them: its brackets and commas are known already.
        size = (count, *image_size(limits))
        found = numbers(items, where, size)
        check_nesting(document.skeleton() == b"{" + skeleton(size) + b"}", where, size)
        return pixels(found, where, size)
    document.check_depth(limits.depth)
    images: list[Image] = []
    for item in items:
        try:
            images.append(read_image(item, limits))
        except BadRequest as error:
            raise BadRequest(f"{where}[{len(images)}]{error}") from None
    return images


def read_image(item: object, limits: Limits) -> Image:
    """One image in any of the forms; other names beside it, such as TF Serving's `key`, are ignored.

    Raises BadRequest that begins with the place inside of the item, as in `.b64: found …`.
    """
    where = ""
    if type(item) is Object:
        item, where = _inside(item)
    if type(item) is Array:
        return nested(item, where, image_size(limits))
    return from_base64(item, where)


def _inside(item: Object) -> tuple[object, str]:
    """What an object has as its image, and where."""
    found = fields(item, "", _FORMS)
    if len(found) != 1:
        raise BadRequest(f": found {len(found)} images, wanted one of {', '.join(_FORMS)}")
    ((name, value),) = found.items()
    where = f".{name}"
    if type(value) is Object:
        return fields(value, where, ("b64",)).get("b64"), f"{where}.b64"
    return value, where
