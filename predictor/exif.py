"""How a photograph is to be turned: the orientation in its EXIF, or in its XMP when the EXIF has none.

Read here because Pillow reads all of the metadata for it, which hostile files make take half a second.
"""

import re
import struct
from collections.abc import Mapping
from typing import Any

MARK = b"Exif\x00\x00"
UPRIGHT = 1

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_MAX_ENTRIES = 1000
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_RAW_PROFILE = "Raw profile type exif"
_MAX_PROFILE = 200_000


def jpeg_orientation(content: bytes) -> int:
    """The orientation of a JPEG; upright when it has none that can be read."""
    mark = content.find(MARK)
    return UPRIGHT if mark < 0 else _orientation(content[mark + len(MARK) : mark + 65_536], content)


def orientation(info: Mapping[str | tuple[int, int], Any]) -> int:
    """The orientation in what Pillow has found beside a picture."""
    exif, profile = info.get("exif"), info.get(_RAW_PROFILE)
    if not exif and profile and len(profile) <= _MAX_PROFILE:
        # As ImageMagick writes it: three lines of heading, then hexadecimal.
        exif = bytes.fromhex("".join(profile.split("\n")[3:]))
    xmp = info.get("XML:com.adobe.xmp") or info.get("xmp") or b""
    return _orientation((exif or b"").removeprefix(MARK), xmp.encode() if isinstance(xmp, str) else xmp)


def _orientation(tiff: bytes, xmp: bytes) -> int:
    found = _tag(tiff)
    if found is None and (match := _XMP.search(xmp)):
        return int(match[1])
    return found or UPRIGHT


def _tag(tiff: bytes) -> int | None:
    """The tag in the first directory of a TIFF; None when it is missing or damaged."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * min(count, _MAX_ENTRIES), 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", tiff, at)
            if tag == _ORIENTATION and number == 1 and kind in (_SHORT, _LONG):
                return int(struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", tiff, at + 8)[0])
    except struct.error:
        return None
    return None
