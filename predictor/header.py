"""What an image file says of itself: its format and size, read from its first bytes without decoding it.

Serving adds up what all files of a request declare before it decodes any of them. Sizes are those the decoders use:
libjpeg's own for JPEG, and `predictor.image` refuses a file of which Pillow finds another.
"""

import struct
from typing import Literal

import simplejpeg

from predictor.errors import InvalidImage
from predictor.exif import MARK

Format = Literal["PNG", "JPEG", "WEBP", "BMP", "GIF"]

# Parts of a file that a decoder walks through one by one, in Python: photographs have dozens.
MAX_PARTS = 10_000
# Each may unpack to a megabyte.
MAX_COMPRESSED_PARTS = 8
# A progressive JPEG has up to ten scans; more send pixels again and are work like another picture.
SCANS_OF_A_PICTURE = 10

_EXTENSION, _FRAME = b"!"[0], b","[0]
_FILL, _START_OF_SCAN = 0xFF, 0xDA
_OS2_HEADER = 12
_RUN_LENGTHS = (b"\x01", b"\x02")
# Pillow unpacks these in Python.
_RUN_LENGTH_COST = 10


def sniff(content: bytes) -> Format:
    """The format by the file's first bytes; raises InvalidImage for anything but the five."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if content.startswith(b"BM"):
        return "BMP"
    found = f"{len(content)} bytes that begin with {content[:4].hex(' ')}" if content else "no bytes"
    raise InvalidImage(f"found {found}, wanted a PNG, JPEG, WEBP, BMP or GIF file")


def declared(content: bytes) -> tuple[Format, int, int]:
    """Format, width and height as the header has them; raises InvalidImage when it has none or no pixels."""
    name = sniff(content)
    try:
        width, height = _SIZES[name](content)
    except (struct.error, ValueError, IndexError):
        raise damaged(name, content) from None
    if width < 1 or height < 1:
        raise InvalidImage(f"found a {name} that declares {width} × {height} pixels, wanted 1 or more")
    return name, width, height


def work(content: bytes) -> int:
    """Pixels that decoding costs: those declared, and all of them again for every ten scans of a JPEG."""
    name, width, height = declared(content)
    if name == "JPEG":
        return width * height * max(1, -(-scans(content) // SCANS_OF_A_PICTURE))
    if name == "BMP" and _is_run_length_encoded(content):
        return width * height * _RUN_LENGTH_COST
    return width * height


def scans(content: bytes) -> int:
    """Scans of a JPEG, at most: the marker may also be part of a thumbnail."""
    return content.count(b"\xff\xda")


def check_parts(name: Format, content: bytes) -> None:
    """Refuse a file of so many parts that walking through them takes long; raises InvalidImage."""
    if name == "PNG":
        _check_chunks(content)
    elif name == "JPEG":
        _check_segments(content)


def damaged(name: str, content: bytes) -> InvalidImage:
    """The refusal of a file that is not whole."""
    return InvalidImage(f"found a damaged or cut-off {name} of {len(content)} bytes, wanted a whole one")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    height, width, _, _ = simplejpeg.decode_jpeg_header(content)
    return int(width), int(height)


def _png_size(content: bytes) -> tuple[int, int]:
    if content[12:16] != b"IHDR":
        raise ValueError
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _bmp_size(content: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from("<I", content, 14)
    width, height = struct.unpack_from("<HH" if header == _OS2_HEADER else "<Ii", content, 18)
    return width, abs(height)  # negative: rows from the top


def _webp_size(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def _gif_size(content: bytes) -> tuple[int, int]:
    """The screen, or more when the first frame reaches beyond it."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    parts = 0
    while content[at] == _EXTENSION:
        at += 2
        while content[at]:
            at += content[at] + 1
            parts += 1
            if parts > MAX_PARTS:
                raise InvalidImage(f"found a GIF of more than {MAX_PARTS} blocks before its first frame, wanted fewer")
        at += 1
    if content[at] != _FRAME:
        raise ValueError
    left, top, wide, high = struct.unpack_from("<HHHH", content, at + 1)
    return max(width, left + wide), max(height, top + high)


_SIZES = {"JPEG": _jpeg_size, "PNG": _png_size, "WEBP": _webp_size, "BMP": _bmp_size, "GIF": _gif_size}


def _is_run_length_encoded(content: bytes) -> bool:
    return content[14] != _OS2_HEADER and content[30:31] in _RUN_LENGTHS


def _check_chunks(content: bytes) -> None:
    at, parts, compressed = 8, 0, 0
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        at += 12 + length
        parts += 1
        compressed += kind in (b"iCCP", b"zTXt", b"iTXt")
        if parts > MAX_PARTS or compressed > MAX_COMPRESSED_PARTS:
            raise InvalidImage(
                f"found a PNG of more than {MAX_PARTS} chunks or {MAX_COMPRESSED_PARTS} packed texts, wanted fewer"
            )


def _check_segments(content: bytes) -> None:
    """Of a JPEG whose header libjpeg takes; other bytes between segments it does not."""
    at, parts, exifs = 2, 0, 0
    while at + 4 <= len(content) and content[at + 1] != _START_OF_SCAN:
        exifs += content[at + 4 : at + 10] == MARK
        filled = content[at + 1] == _FILL
        at += 1 if filled else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        parts += 1
        if parts > MAX_PARTS or exifs > 1:
            raise InvalidImage(f"found a JPEG of {parts} segments and {exifs} of EXIF, wanted {MAX_PARTS} and one")
