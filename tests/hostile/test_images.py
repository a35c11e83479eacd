"""Image files that are bombs, of other formats, cut off or damaged: refused before they cost anything."""

import base64
import random
import struct
import zlib
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.fixtures.net import picture
from tests.hostile.conftest import V1
from tests.hostile.oracle import bounced, refused

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MUTANTS = 12  # a format


def ask(http: httpx.Client, content: bytes) -> httpx.Response:
    return http.post(V1, content=content, headers={"content-type": "image/png"})


def saved(kind: str, mode: str = "RGB") -> bytes:
    file = BytesIO()
    Image.new(mode, (64, 64)).save(file, kind)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *more: bytes, bits: int = 1, colour: int = 0, data: bytes = b"") -> bytes:
    """A PNG that declares a size; its data is whatever is given."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def gif(width: int, height: int, frame: tuple[int, int, int, int]) -> bytes:
    """A GIF of a screen and one frame (left, top, width, height)."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", *frame, 0) + b"\x02\x02\x4c\x01\x00;"


def bmp(width: int, height: int, *, compression: int = 0, bits: int = 24) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


def webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg(width: int, height: int) -> bytes:
    """A real JPEG whose frame declares another size."""
    content = bytearray(picture(1, "JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(content)


BOMBS: dict[str, bytes] = {
    "PNG 13,300 squared": png(13_300, 13_300, data=bytes(1663 * 13_301)),
    "PNG two billion squared": png(2**31 - 1, 2**31 - 1),
    "PNG beyond what a PNG may": png(2**32 - 1, 2**32 - 1),
    "PNG one line of 17 million": png(17_000_000, 1),
    "PNG of no width": png(0, 64),
    "PNG of 16-bit colours": png(4001, 4000, bits=16, colour=6),
    "GIF screen": gif(65_535, 65_535, (0, 0, 1, 1)),
    "GIF frame beyond its screen": gif(1, 1, (0, 0, 65_535, 65_535)),
    "GIF of no size": gif(0, 0, (0, 0, 0, 0)),
    "BMP": bmp(30_000, 30_000),
    "BMP of the largest size": bmp(2**31 - 1, 2**31 - 1),
    "BMP of a negative width": bmp(-30_000, 64),
    "BMP upside down": bmp(30_000, -30_000),
    "BMP run lengths": bmp(30_000, 30_000, compression=1, bits=8),
    "WEBP": webp(16_383, 16_383),
    "WEBP of the largest canvas": webp(2**24, 2**24),
    "JPEG": jpeg(65_500, 65_500),
    "JPEG of no height": jpeg(64, 0),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_declares_too_much_is_refused(http: httpx.Client, bomb: str) -> None:
    refused(ask(http, BOMBS[bomb]))


def test_files_that_declare_too_much_together_are_refused(http: httpx.Client) -> None:
    one = base64.b64encode(png(1000, 1000, data=bytes(126 * 1000))).decode()
    assert bounced(http.post(V1, json={"instances": [one]})) == 200
    assert "16000000" in refused(http.post(V1, json={"instances": [one] * 17})).replace(",", "")
    refused(http.post(V1, json={"instances": [one] * 64}))


OTHERS: dict[str, bytes] = {
    **{kind: saved(kind) for kind in ("TIFF", "ICO", "PPM", "TGA", "PCX", "SGI", "EPS", "PDF", "DDS", "ICNS")},
    "JPEG 2000": saved("JPEG2000"),
    "AVIF": saved("AVIF"),
    "XBM": saved("XBM", "1"),
    "MSP": saved("MSP", "1"),
    "PSD": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 64, 64, 8, 3) + bytes(14 + 64 * 64 * 3),
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64),
    "HTML": b"<!doctype html><img src=x>",
    "gzip": b"\x1f\x8b\x08" + bytes(40),
    "ZIP": b"PK\x03\x04" + bytes(40),
    "zeros": bytes(1000),
    "one byte": b"\x89",
    "a PNG's first bytes": b"\x89PNG\r\n\x1a\n",
    "a JPEG's first bytes": b"\xff\xd8\xff",
    "a RIFF that is sound": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_format_is_refused(http: httpx.Client, kind: str) -> None:
    refused(ask(http, OTHERS[kind]))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_that_is_cut_off_is_refused(http: httpx.Client, kind: str, share: float) -> None:
    whole = picture(3, kind)
    refused(ask(http, whole[: int(len(whole) * share)]))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("seed", range(MUTANTS))
def test_a_damaged_file_is_classified_or_refused(http: httpx.Client, kind: str, seed: int) -> None:
    bounced(ask(http, mutant(picture(seed, kind), seed)))


def mutant(content: bytes, seed: int) -> bytes:
    """The same file with a few bits flipped, bytes replaced, a piece doubled or taken out."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed))
        changed[place] = changed[place] ^ (1 << chance.randrange(8)) if chance.random() < 0.7 else chance.randrange(256)
    start, end = sorted(chance.randrange(len(changed)) for _ in range(2))
    if seed % 4 == 0:
        del changed[start:end]
    elif seed % 4 == 1:
        changed[start:start] = changed[start:end]
    return bytes(changed)


def animation(kind: str, frames: int) -> bytes:
    file = BytesIO()
    images = [Image.new("RGB", (64, 64), (index % 256, 0, 0)) for index in range(frames)]
    images[0].save(file, kind, save_all=True, append_images=images[1:])
    return file.getvalue()


COMMENT = b"\xff\xfe\x00\x04hi"
HEAVY: dict[str, bytes] = {
    "a GIF of 500 frames": animation("GIF", 500),
    "a PNG of 100 frames": animation("PNG", 100),
    "a WEBP of 20 frames": animation("WEBP", 20),
    "a PNG with a text that unpacks to 50 MB": png(
        64, 64, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000))), data=bytes(9 * 64)
    ),
    "a PNG with a profile that unpacks to 50 MB": png(
        64, 64, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000))), data=bytes(9 * 64)
    ),
    "a PNG whose data unpacks to 50 MB": png(64, 64, data=bytes(50_000_000)),
    "a PNG of 50,000 chunks": png(64, 64, *[chunk(b"teXt", b"a\0b")] * 50_000, data=bytes(9 * 64)),
    "a JPEG with 5,000 comments": picture(1, "JPEG").replace(
        b"\xff\xdb", b"\xff\xfe\x00\x04hi" * 5000 + b"\xff\xdb", 1
    ),
}


@pytest.mark.parametrize("file", HEAVY)
def test_a_file_with_much_around_its_pixels_is_classified_or_refused(http: httpx.Client, file: str) -> None:
    bounced(ask(http, HEAVY[file]))
