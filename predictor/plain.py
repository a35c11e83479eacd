"""`/predict` and `/predict/batch`: for people and scripts that do not speak KServe's protocols.

A body is an HTML form with files, an image file as it is, or JSON: `{"image": …}`, `{"images": […]}` or v1's
`{"instances": […]}`, each image in any of v1's forms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from predictor.errors import BadRequest
from predictor.imagefile import is_file
from predictor.instances import read_image, read_images
from predictor.jsontext import array, dumps, fields, parse
from predictor.multipart import MULTIPART, form_files
from predictor.query import Body, Form, Image, Limits, Pixels, Predictions, Query
from predictor.served import Served
from predictor.v1 import named

_FORMS = ("image", "images", "instances")


@dataclass(frozen=True, slots=True)
class Plain:
    """The form of both routes. batch: answers with a list, of any number of images."""

    batch: bool

    def read(self, body: bytes, headers: Mapping[bytes, bytes], limits: Limits) -> Query:
        """The images; raises BadRequest."""
        images = _images(body, headers, limits)
        if not self.batch and len(images) != 1:
            raise BadRequest(f"found {len(images)} images, wanted one (/predict/batch takes several)")
        return Query(images)

    def write(self, query: Query, predictions: Predictions, served: Served) -> Body:  # noqa: ARG002 (nothing is echoed)
        """`{"class", "confidence", "probabilities"}` or `{"predictions": […]}`, with who answered."""
        who = {"model": served.model, "version": served.version, "digest": served.digest}
        answers = named(predictions, served.classes)
        return Body(dumps({"predictions": answers, **who} if self.batch else {**answers[0], **who}))


def _images(body: bytes, headers: Mapping[bytes, bytes], limits: Limits) -> Sequence[Image] | Pixels:
    content_type = headers.get(b"content-type", b"")
    if content_type.lower().startswith(MULTIPART):
        return form_files(body, content_type, limits.images)
    if is_file(body, headers):
        return (body,)
    document = parse(body)
    found = fields(document.root, "body", _FORMS)
    if len(found) != 1:
        raise BadRequest(f"body: found {len(found)} of image, images and instances, wanted one of them")
    ((name, value),) = found.items()
    if name != "image":
        return read_images(document, array(value, name, "a list of images"), name, limits)
    document.check_depth(limits.depth)
    try:
        return [read_image(value, limits)]
    except BadRequest as error:
        raise BadRequest(f"{name}{error}") from None


SINGLE: Form = Plain(batch=False)
BATCH: Form = Plain(batch=True)
