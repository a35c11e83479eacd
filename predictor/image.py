"""Bytes of an image file → pixels of one size: the one place where that happens, for serving and for training.

What is trained is what is served because both call `decode`. JPEG goes through simplejpeg, several times faster than
Pillow and with the same pixels; PNG, WEBP, BMP, GIF and JPEGs in CMYK go through Pillow. Nothing is decoded before the
size that its header declares is known to be small enough.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from predictor.errors import InvalidImage
from predictor.exif import MARK, jpeg_orientation, orientation
from predictor.header import SCANS_OF_A_PICTURE, check_parts, damaged, declared, scans, sniff
from registry.domain.features import measure_file

Pixels = NDArray[np.uint8]

MAX_PIXELS = 16_000_000  # declared; 48 MB as RGB
PADDING = 128  # mid-grey beside an image that is not as wide or high as the input
# Antialiased when shrinking, smooth when enlarging; half the cost of bicubic and no ringing at edges.
FILTER = Image.Resampling.BILINEAR
# Shrinking by more than 2 × 2 first averages whole blocks, which keeps photographs cheap.
REDUCING_GAP = 2.0

_SMALLEST_SCAN = 8  # bytes
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
_READERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}


def decode(content: bytes, *, width: int, height: int, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The image as uint8 RGB of shape (height, width, 3), whatever the file's size, mode and format.

    The aspect is kept: the image is scaled to fit and centred on mid-grey. The EXIF orientation is applied,
    palettes are resolved, transparency lies on white, 16-bit grey keeps its upper 8 bits, CMYK is read as Adobe writes
    it, of an animation the first frame counts, and a GIF is as large as its first frame when that is larger than its
    screen. Raises InvalidImage, before memory is spent, unless the bytes are a whole PNG, JPEG, WEBP, BMP or GIF that
    declares at most `max_pixels` pixels, sends them in a bounded number of scans, and has no endless metadata.
    """
    return decode_file(content, width=width, height=height, max_pixels=max_pixels)[0]


def decode_file(
    content: bytes, *, width: int, height: int, max_pixels: int = MAX_PIXELS
) -> tuple[Pixels, tuple[float, float]]:
    """What `decode` returns, and `features.FILE` of the file as it was sent, not turned as its EXIF says."""
    decoded = _decode_jpeg if sniff(content) == "JPEG" else _decode_slowly
    pixels, size = decoded(content, width=width, height=height, max_pixels=max_pixels)
    return pixels, measure_file(*size, len(content))


def _decode_jpeg(content: bytes, *, width: int, height: int, max_pixels: int) -> tuple[Pixels, tuple[int, int]]:
    """Pixels, and the width and height that the file declares."""
    try:
        rows, columns, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        raise damaged("JPEG", content) from None
    _check_size("JPEG", columns, rows, max_pixels)
    _check_scans(content, columns, rows, max_pixels)
    if colours in ("CMYK", "YCCK"):
        return _decode_slowly(content, width=width, height=height, max_pixels=max_pixels)
    turn = _TURNS.get(jpeg_orientation(content)) if MARK in content else None
    if turn is None and (columns, rows) == (width, height):
        return _jpeg_pixels(content), (columns, rows)
    wide, high = size = _fitted(columns, rows, turn, width=width, height=height)
    # The inverse DCT itself can halve a picture while it decodes: down to no less than what is needed.
    pixels = _jpeg_pixels(content, min_width=wide, min_height=high, min_factor=2)
    if turn is None and pixels.shape == (height, width, 3):
        return pixels, (columns, rows)
    return _framed(Image.fromarray(pixels), size, turn, width=width, height=height), (columns, rows)


def _jpeg_pixels(content: bytes, **scale: int) -> Pixels:
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(content, "RGB", **scale)
    except ValueError:
        raise damaged("JPEG", content) from None
    return pixels


def _decode_slowly(content: bytes, *, width: int, height: int, max_pixels: int) -> tuple[Pixels, tuple[int, int]]:
    """The same through Pillow, which knows every format and mode."""
    image, turn = _load(_open(content, max_pixels=max_pixels))
    size = _fitted(image.width, image.height, turn, width=width, height=height)
    return _framed(image, size, turn, width=width, height=height), image.size


def _open(content: bytes, *, max_pixels: int) -> Image.Image:
    """Read the header alone."""
    name, width, height = declared(content)
    _check_size(name, width, height, max_pixels)
    check_parts(name, content)
    try:
        image = _READERS[name](BytesIO(content))
    except Exception:  # hostile bytes make parsers raise anything from SyntaxError to struct.error
        raise damaged(name, content) from None
    if image.size != (width, height):  # what was checked is not what would be decoded
        raise damaged(name, content)
    return image


def _load(image: Image.Image) -> tuple[Image.Image, Image.Transpose | None]:
    """Decode the first frame to RGB, and say how to turn it upright."""
    name = image.format or "image"
    try:
        image.load()
        return _rgb(image), _TURNS.get(orientation(image.info))
    except Exception:  # as above
        raise InvalidImage(
            f"found a {name} of {image.width} × {image.height} pixels that is damaged or cut off, wanted a whole one"
        ) from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB")


def _fitted(columns: int, rows: int, turn: Image.Transpose | None, *, width: int, height: int) -> tuple[int, int]:
    """The size, before it is turned, at which a picture just fits into width × height."""
    if turn in _ON_ITS_SIDE:
        width, height = height, width
    scale = min(width / columns, height / rows)
    return max(1, round(columns * scale)), max(1, round(rows * scale))


def _framed(
    image: Image.Image, size: tuple[int, int], turn: Image.Transpose | None, *, width: int, height: int
) -> Pixels:
    """Scale to `size`, lay what is transparent on white, turn upright, centre on mid-grey."""
    if image.size != size:
        image = image.resize(size, FILTER, reducing_gap=REDUCING_GAP)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if turn is not None:
        image = image.transpose(turn)
    if image.size == (width, height):
        return np.array(image)
    framed = np.full((height, width, 3), PADDING, np.uint8)
    left, top = (width - image.width) // 2, (height - image.height) // 2
    framed[top : top + image.height, left : left + image.width] = np.asarray(image)
    return framed


def _check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1 or width * height > max_pixels:
        raise InvalidImage(f"found a {name} that declares {width} × {height} pixels, wanted 1 to {max_pixels} pixels")


def _check_scans(content: bytes, width: int, height: int, max_pixels: int) -> None:
    most = SCANS_OF_A_PICTURE * max_pixels // (width * height)
    if len(content) // _SMALLEST_SCAN <= most:
        return
    found = scans(content)
    if found > most:
        raise InvalidImage(f"found a JPEG of {width} × {height} pixels in {found} scans, wanted at most {most} scans")
