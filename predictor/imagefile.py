"""Image files on their way in: in base64 as JSON carries them, or as the body itself."""

import re
from collections.abc import Mapping, Sequence

import pybase64

from predictor.errors import BadRequest, InvalidImage, TooLarge
from predictor.header import sniff, work
from predictor.jsontext import kind
from predictor.query import Image, Limits, Pixels

# Browsers put it before the base64 of a file.
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


def base64_decoded(text: str | bytes) -> bytes:
    """What a text of base64 stands for, of nothing but its alphabet and its padding; raises ValueError."""
    return pybase64.b64decode(text, validate=True)


def from_base64(value: object, where: str) -> bytes:
    """The file in a string of base64 or a data URL; raises BadRequest."""
    if type(value) is not str:
        raise BadRequest(f"{where}: found {kind(value)}, wanted an image file in base64")
    if value.startswith("data:"):
        value = _DATA_URL.sub("", value, count=1)
    try:
        return base64_decoded(value)
    except ValueError:
        found = f"{len(value)} characters that are not base64"
        raise BadRequest(f"{where}: found {found}, wanted an image file in base64") from None


def from_raw(item: bytes) -> bytes:
    """The file in an item of a raw BYTES tensor: as it is, or in base64 as stock KServe's clients send text."""
    try:
        sniff(item)
    except InvalidImage:
        try:
            unpacked = base64_decoded(item)
            sniff(unpacked)
        except (ValueError, InvalidImage):
            return item  # whoever decodes it says what it is
        return unpacked
    return item


def is_file(body: bytes, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body is an image file: its type says so, or says nothing else and the first bytes do."""
    declared = headers.get(b"content-type", b"").lower()
    if declared.startswith(b"image/"):
        return True
    if body.startswith(b"{") or b"json" in declared:
        return False
    try:
        sniff(body)
    except InvalidImage:
        return False
    return True


def check_pixels(images: Sequence[Image] | Pixels, limits: Limits) -> int:
    """Sum of the pixels that a request's files declare, before one is decoded.

    Pixels that come again and again in the scans of a JPEG count again. Raises InvalidImage for a file without a
    header, and TooLarge when the sum is over the limit.
    """
    total = 0
    for index, image in enumerate(images):
        if not isinstance(image, bytes):
            continue
        try:
            total += work(image)
        except InvalidImage as error:
            raise InvalidImage(f"image {index}: {error}") from None
    if total > limits.pixels:
        raise TooLarge(f"images: found {total} declared pixels, wanted at most {limits.pixels} a request")
    return total
