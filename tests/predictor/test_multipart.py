import httpx
import pytest

from predictor import plain
from predictor.errors import BadRequest
from predictor.multipart import form_files
from predictor.query import Limits
from registry.domain.card import InputSpec

TYPE = b"multipart/form-data; boundary=XyZ"
FILES = [b"\xff\xd8\xff\xe0\r\n--XyW\r\n", b"", b"\x89PNG\r\n\r\n--"]


def form(*parts: tuple[str, bytes], end: bytes = b"--XyZ--\r\n") -> bytes:
    return b"".join(b"--XyZ\r\n%s\r\n\r\n%s\r\n" % (head.encode(), content) for head, content in parts) + end


def file(content: bytes, name: str = "image") -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"; filename="a.jpg"\r\nContent-Type: image/jpeg', content


def test_files_arrive_as_they_were_sent_whatever_their_field() -> None:
    parts = [file(content, name) for content, name in zip(FILES, ("file", "image", "files"), strict=True)]
    assert form_files(form(*parts), TYPE, 4) == FILES


@pytest.mark.parametrize("count", [1, 3])
def test_what_a_client_library_sends_is_read(count: int) -> None:
    sent = [("files", (f"ä{index}.jpg", FILES[index], "image/jpeg")) for index in range(count)]
    request = httpx.Request("POST", "http://predictor/predict", files=sent, data={"note": "Grüße", "filename": "x"})
    headers = {b"content-type": request.headers["content-type"].encode()}
    limits = Limits(InputSpec(width=3, height=2), images=3)
    assert plain.BATCH.read(request.read(), headers, limits).images == FILES[:count]


@pytest.mark.parametrize(
    "head",
    [
        'content-disposition:form-data;name=f;FILENAME="x"',
        "Content-Type: image/png\r\nContent-Disposition: form-data; name=\"f\"; filename*=UTF-8''%C3%A4.png",
    ],
)
def test_headers_are_read_however_they_are_written(head: str) -> None:
    assert form_files(b"something before\r\n" + form((head, b"x")) + b"and after", TYPE, 1) == [b"x"]


@pytest.mark.parametrize("quoted", [b'"XyZ"', b"XyZ; charset=utf-8", b"XyZ "])
def test_the_boundary_may_be_quoted(quoted: bytes) -> None:
    assert form_files(form(file(b"x")), b"Multipart/Form-Data; boundary=" + quoted, 1) == [b"x"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "found no end of a form in 0 bytes"),
        (b"--XyZ--", "found a form with 0 files, wanted 1 to 2"),
        (form(('Content-Disposition: form-data; name="note"', b"text")), "found a form with 0 files, wanted 1 to 2"),
        (form(*[file(b"x")] * 3), "found a form with 3 files, wanted 1 to 2"),
        (form(*[file(b"x")] * 100), "found no end of a form in .* bytes, wanted at most 18 whole parts"),
        (form(file(b"x"), end=b""), "found no end of a form"),
        (form(file(b"x"), end=b"--XyZ"), "found no end of a form"),
        (b"--XyZ\r\nno empty line\r\n--XyZ--", "found a part of the form with a head of 15 bytes"),
        (b"--XyZx\r\n\r\n\r\n--XyZ--", "found a part of the form with a head of 1 bytes"),
        (form(("X: " + "x" * 5000, b"")), "found a part of the form with a head of 5005 bytes, wanted .* within 4096"),
        (b"\r\n--XyZx" * 200_000, "found no end of a form in"),
    ],
)
def test_what_is_no_whole_form_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        form_files(body, TYPE, 2)


@pytest.mark.parametrize("content_type", [b"multipart/form-data", TYPE + b"x" * 80, b"multipart/form-data; boundary="])
def test_a_form_without_a_usable_boundary_is_refused(content_type: bytes) -> None:
    with pytest.raises(BadRequest, match=r"content-type: found a boundary of .* characters, wanted 1 to 70"):
        form_files(form(file(b"x")), content_type, 2)
