"""What files declare is known, and refused, before one of them is decoded."""

import re
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from predictor.errors import InvalidImage, TooLarge
from predictor.image import decode
from predictor.imagefile import check_pixels
from predictor.query import Limits
from registry.domain.card import InputSpec


def limits(pixels: int) -> Limits:
    return Limits(InputSpec(width=3, height=2), images=4, pixels=pixels)


def encoded(name: str, width: int = 20, height: int = 10, **options: object) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(buffer, name, **options)
    return buffer.getvalue()


def test_pixels_of_all_files_are_added_up() -> None:
    files = [encoded(name) for name in ("PNG", "JPEG", "WEBP", "BMP", "GIF")]
    assert check_pixels(files, limits(1000)) == 1000
    with pytest.raises(TooLarge, match="images: found 1000 declared pixels, wanted at most 999 a request"):
        check_pixels(files, limits(999))


def test_pixels_that_are_no_files_declare_nothing() -> None:
    pixels = np.zeros((2, 2, 3, 3), np.uint8)
    assert check_pixels(pixels, limits(1)) == 0
    assert check_pixels([pixels[0], encoded("PNG")], limits(1000)) == 200


def test_a_file_that_is_none_is_named() -> None:
    with pytest.raises(InvalidImage, match="image 1: found 5 bytes that begin with 68 61 6c 6c, wanted a PNG"):
        check_pixels([encoded("PNG"), b"hallo"], limits(1000))


def test_scans_of_a_progressive_jpeg_count_as_pixels_again() -> None:
    content = encoded("JPEG", progressive=True)
    scan = content.index(b"\xff\xda")
    again = content[:scan] + content[scan : scan + 12] * 25 + content[scan:]
    assert check_pixels([content], limits(1000)) == 200
    assert check_pixels([again], limits(1000)) == 800


def test_run_lengths_of_a_bmp_count_for_the_work_they_are() -> None:
    content = bytearray(encoded("BMP"))
    content[30] = 1
    assert check_pixels([bytes(content)], limits(2000)) == 2000


@pytest.mark.parametrize("options", [{"lossless": True}, {"exif": b"II*\x00" + bytes(8)}, {}])
def test_every_kind_of_webp_says_its_size(options: dict[str, object]) -> None:
    assert check_pixels([encoded("WEBP", 300, 7, **options)], limits(10_000)) == 2100


def test_a_bmp_from_the_top_and_one_of_os2_say_their_size() -> None:
    upside = bytearray(encoded("BMP"))
    struct.pack_into("<i", upside, 22, -10)
    os2 = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 20, 10, 1, 24)
    assert check_pixels([bytes(upside), os2], limits(1000)) == 400


def test_a_gif_is_as_large_as_its_first_frame() -> None:
    content = bytearray(encoded("GIF"))
    frame = content.index(b",", 13 + 3 * 2 ** ((content[10] & 7) + 1))
    struct.pack_into("<HHHH", content, frame + 1, 5, 5, 30_000, 30_000)
    with pytest.raises(TooLarge, match="found 900300025 declared pixels"):
        check_pixels([bytes(content)], limits(16_000_000))


def test_a_size_hidden_in_a_second_header_is_not_believed() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def size(side: int) -> bytes:
        return chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))

    content = b"\x89PNG\r\n\x1a\n" + size(8) + size(3000) + chunk(b"IDAT", zlib.compress(bytes(100)))
    assert check_pixels([content], limits(64)) == 64
    with pytest.raises(InvalidImage, match="found a damaged or cut-off PNG"):
        decode(content, width=8, height=8)


@given(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "GIF"]), st.data())
@settings(deadline=None)
def test_damaged_headers_are_read_or_refused(name: str, data: st.DataObject) -> None:
    content = bytearray(encoded(name))
    for place in data.draw(st.lists(st.integers(0, min(60, len(content) - 1)), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        words = f"{check_pixels([cut], limits(10**6))} pixels"
    except (InvalidImage, TooLarge) as refused:
        words = str(refused)
    assert re.fullmatch("[1-9][0-9]* pixels|image(s| 0): found .*, wanted .*", words)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x0dIDAT" + bytes(8),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR",
        b"BM" + bytes(20),
        b"BM",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"RIFF\x00\x00\x00\x00WEBPVP8L",
        b"GIF89a",
        b"GIF89a" + bytes(7),
        b"GIF89a" + bytes(7) + b"!\xfe\x05abc",
        b"GIF89a" + bytes(7) + b"," + bytes(8),
    ],
)
def test_a_header_that_is_cut_off_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidImage, match="image 0: found"):
        check_pixels([content], limits(1000))
