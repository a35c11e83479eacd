"""Bytes → pixels: every format and mode is defined, and hostile bytes are refused before they cost anything."""

import re
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from predictor.errors import InvalidImage
from predictor.header import declared
from predictor.image import PADDING, decode, decode_file

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")


def encoded(image: Image.Image, name: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def smooth(width: int = 64, height: int = 64) -> Image.Image:
    """A picture of soft colours, so that lossy formats stay close."""
    generator = np.random.default_rng(1)
    coarse = Image.fromarray(generator.integers(40, 216, (4, 4, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def seen(content: bytes, side: int = 64) -> np.ndarray:
    return decode(content, width=side, height=side).astype(int)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_decodes_to_about_the_same_picture(name: str) -> None:
    pixels = decode(encoded(smooth(), name), width=64, height=64)
    assert (pixels.shape, pixels.dtype) == ((64, 64, 3), np.uint8)
    assert np.abs(pixels.astype(int) - np.asarray(smooth())).mean() < 12


@pytest.mark.parametrize("name", FORMATS)
def test_the_header_says_format_and_size(name: str) -> None:
    assert declared(encoded(smooth(40, 30), name)) == (name, 40, 30)


def test_a_jpeg_has_the_pixels_pillow_gives_it() -> None:
    content = encoded(smooth(), "JPEG", quality=80)
    assert (seen(content) == np.asarray(Image.open(BytesIO(content)).convert("RGB"))).all()


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
@pytest.mark.parametrize(("width", "height"), [(640, 320), (63, 65), (20, 400), (16, 16), (1, 1)])
def test_any_size_fits_and_keeps_its_aspect(name: str, width: int, height: int) -> None:
    pixels = seen(encoded(Image.new("RGB", (width, height), WHITE), name))
    inside = (pixels > 190).all(axis=2)
    wide, high = inside.any(axis=0).sum(), inside.any(axis=1).sum()
    assert max(wide, high) == 64
    assert wide == pytest.approx(64 * min(1, width / height), abs=1)
    assert high == pytest.approx(64 * min(1, height / width), abs=1)
    assert (pixels[~inside] == PADDING).all()


def test_a_large_jpeg_looks_like_the_large_png_of_it() -> None:
    image = smooth(700, 520)
    jpeg, png = encoded(image, "JPEG", quality=95), encoded(image)
    assert np.abs(seen(jpeg) - seen(png)).max() < 12


def test_an_input_that_is_not_square_is_padded_too() -> None:
    pixels = decode(encoded(Image.new("RGB", (50, 50), RED)), width=80, height=40)
    assert pixels.shape == (40, 80, 3)
    assert pixels[20, 40].tolist() == list(RED)
    assert pixels[20, 5].tolist() == [PADDING] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_the_exif_orientation_is_applied(name: str, orientation: int) -> None:
    upright = Image.new("RGB", (48, 64), BLUE)
    upright.paste(RED, (0, 0, 24, 32))
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)  # Image.Transpose that undoes it
    stored = upright if inverse is None else upright.transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = seen(encoded(stored, name, exif=exif, quality=95))
    assert np.abs(pixels[16, 20] - RED).max() < 30
    assert np.abs(pixels[[48, 16, 48], [20, 44, 44]] - BLUE).max() < 30


def test_broken_exif_does_not_spoil_a_picture() -> None:
    plain = encoded(smooth(), "JPEG")
    exif = b"Exif\x00\x00" + b"\xff" * 20
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    assert (seen(content) == seen(plain)).all()


def test_transparency_lies_on_white() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((255, 0, 0, 128), (32, 0, 64, 64))
    pixels = seen(encoded(image))
    assert pixels[10, 10].tolist() == list(WHITE)
    assert pixels[10, 50] == pytest.approx([255, 127, 127], abs=1)


def test_palettes_and_their_transparent_colour_are_resolved() -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([*RED, *GREEN])
    assert seen(encoded(image))[5, 5].tolist() == list(GREEN)
    assert seen(encoded(image, transparency=1))[5, 5].tolist() == list(WHITE)


def test_sixteen_bit_grey_keeps_its_upper_byte() -> None:
    image = Image.fromarray(np.full((64, 64), 0xC3FF, np.uint16))
    assert seen(encoded(image))[0, 0].tolist() == [0xC3] * 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_png_mode_is_white_where_it_is_white(mode: str) -> None:
    image = Image.new("RGB", (64, 64), WHITE).convert(mode)
    assert (seen(encoded(image)) == 255).all()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(("mode", "white"), [("L", 255), ("RGB", WHITE), ("CMYK", (0, 0, 0, 0))])
def test_every_jpeg_mode_is_white_where_it_is_white(mode: str, white: object, progressive: bool) -> None:
    content = encoded(Image.new(mode, (64, 64), white), "JPEG", progressive=progressive)
    assert (seen(content) >= 254).all()


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert seen(content)[5, 5].tolist() == list(RED)


def test_a_gif_is_as_large_as_its_first_frame_when_its_screen_is_smaller() -> None:
    content = bytearray(encoded(smooth(), "GIF"))
    whole = seen(bytes(content))
    struct.pack_into("<HH", content, 6, 10, 5)
    assert declared(bytes(content)) == ("GIF", 64, 64)
    assert (seen(bytes(content)) == whole).all()


@pytest.mark.parametrize("content", [b"", b"hello", b"II*\x00" + bytes(60), b"%PDF-1.7", b"<svg/>", b"RIFF0000WAVE"])
def test_other_formats_are_refused_by_their_first_bytes(content: bytes) -> None:
    with pytest.raises(InvalidImage, match="wanted a PNG, JPEG, WEBP, BMP or GIF file"):
        decode(content, width=64, height=64)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_off_in_the_middle_is_refused(name: str) -> None:
    content = encoded(smooth(), name)
    with pytest.raises(InvalidImage, match="wanted a whole one"):
        decode(content[: len(content) // 2], width=64, height=64)


def bomb(name: str, side: int) -> bytes:
    """A small file that declares side × side pixels and has hardly any."""
    if name == "PNG":
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) + bytes(8)
    content = bytearray(encoded(smooth(), name))
    at = {"BMP": 18, "GIF": 6, "JPEG": content.find(b"\xff\xc0") + 5}[name]
    form = {"BMP": "<ii", "GIF": "<HH", "JPEG": ">HH"}[name]
    struct.pack_into(form, content, at, side, side)
    return bytes(content)


@pytest.mark.parametrize("name", ["PNG", "BMP", "GIF", "JPEG"])
@pytest.mark.parametrize("side", [4001, 60_000])
@pytest.mark.filterwarnings("error")
def test_more_declared_pixels_than_allowed_are_refused_by_the_header_alone(name: str, side: int) -> None:
    with pytest.raises(InvalidImage, match=f"declares {side} × {side} pixels"):
        decode(bomb(name, side), width=64, height=64)


def test_the_pixel_limit_is_an_argument() -> None:
    content = encoded(smooth(64, 64))
    assert decode(content, width=8, height=8, max_pixels=64 * 64).shape == (8, 8, 3)
    with pytest.raises(InvalidImage, match="wanted 1 to 4095 pixels"):
        decode(content, width=8, height=8, max_pixels=64 * 64 - 1)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    content = encoded(smooth(800, 800), "JPEG", progressive=True)
    scan = content.index(b"\xff\xda")
    with pytest.raises(InvalidImage, match="scans, wanted at most 250 scans"):
        decode(content[:scan] + content[scan : scan + 12] * 400 + content[scan:], width=64, height=64)


def test_damaged_entropy_data_is_refused() -> None:
    content = bytearray(encoded(smooth(), "JPEG"))
    content[-40:-20] = b"\xff\xd3" * 10
    with pytest.raises(InvalidImage):
        decode(bytes(content), width=64, height=64)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ENDLESS = {
    "PNG": (33, chunk(b"teST", b"") * 20_000, "a PNG of more than 10000 chunks"),
    "PNG of packed texts": (33, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100))) * 9, "8 packed texts"),
    "GIF": (
        13 + 3 * 256,
        b"!\xfe" + b"\x01a" * 20_000 + b"\0",
        "a GIF of more than 10000 blocks",
    ),
    "JPEG": (2, b"\xff\xfe\x00\x02" * 20_000, "a JPEG of 10001 segments"),
    "JPEG of EXIF": (2, b"\xff\xe1\x00\x0eExif\0\0II*\0\0\0" * 20, "2 of EXIF"),
    "JPEG of filling": (18, b"\xff" * 20_000, "a JPEG of 10001 segments"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_metadata_is_refused(kind: str) -> None:
    name, (place, parts, words) = kind.split(" ")[0], ENDLESS[kind]
    content = encoded(smooth().convert("CMYK") if name == "JPEG" else smooth(), name)
    with pytest.raises(InvalidImage, match=words):
        decode(content[:place] + parts + content[place:], width=64, height=64)


def test_exif_of_endless_entries_is_read_no_further_than_needed() -> None:
    entries = b"".join(struct.pack("<HHII", index, 2, 4, 8) for index in range(2000)) + struct.pack(
        "<HHII", 274, 3, 1, 3
    )
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2001) + entries
    plain = encoded(smooth(), "JPEG")
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    assert (seen(content) == seen(plain)).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_the_orientation_is_read_in_any_byte_order(order: str, kind: int) -> None:
    value = struct.pack(f"{order}Hxx" if kind == 3 else f"{order}I", 3)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = b"Exif\0\0" + mark + struct.pack(f"{order}IHHHI", 8, 1, 274, kind, 1) + value
    plain = encoded(smooth(), "JPEG")
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    assert (seen(content) == seen(plain)[::-1, ::-1]).all()


def test_the_orientation_may_stand_in_xmp_or_in_a_text() -> None:
    upright = encoded(smooth())
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="3"/>')
    raw = b"Exif\0\0II*\0" + struct.pack("<IHHHIHxx", 8, 1, 274, 3, 1, 3)
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(raw)}\n{raw.hex()}", zip=True)
    for chunks in (info, text):
        assert (seen(encoded(smooth(), pnginfo=chunks)) == seen(upright)[::-1, ::-1]).all()


_VALID = [encoded(smooth(24, 24), name) for name in FORMATS]


@given(st.sampled_from(_VALID), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_decoded_or_refused_in_one_line(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    assert outcome(bytes(damaged)) == "(16, 16, 3)" or re.fullmatch("found .* wanted .*", outcome(bytes(damaged)))


def outcome(content: bytes) -> str:
    try:
        return str(decode(content, width=16, height=16).shape)
    except InvalidImage as refused:
        return str(refused)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF89a"]))
def test_random_bytes_are_refused(tail: bytes, magic: bytes) -> None:
    with pytest.raises(InvalidImage):
        decode(magic + tail, width=16, height=16)


def test_a_jpeg_of_the_input_size_needs_no_resize() -> None:
    content = simplejpeg.encode_jpeg(np.asarray(smooth()), 90, "RGB", "444")
    assert (decode(content, width=64, height=64) == simplejpeg.decode_jpeg(content)).all()


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_has_the_aspect_and_the_size_that_it_was_sent_with(name: str) -> None:
    content = encoded(Image.new("RGB", (60, 40), RED), name)
    assert decode_file(content, width=64, height=64)[1] == (1.5, len(content))


def test_an_aspect_is_not_turned_as_exif_says() -> None:
    exif = Image.Exif()
    exif[274] = 6
    content = encoded(Image.new("RGB", (60, 40), RED), "JPEG", exif=exif)
    pixels, (aspect, _) = decode_file(content, width=40, height=60)
    assert (aspect, pixels[0, 0, 0] > 200) == (1.5, True)
