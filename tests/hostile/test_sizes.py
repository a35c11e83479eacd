"""Requests that bring too much: bytes, parts, headers. They are refused before they are read to the end."""

from collections.abc import Iterator

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub

from tests.hostile.conftest import V1, V2
from tests.hostile.oracle import refused
from tests.hostile.wire import Wire, request

LIMIT = 10_000_000
ROUTES = [V1, V2, "/predict", "/predict/batch"]
MEGABYTE = b"x" * 1_000_000


def chunks(megabytes: int) -> Iterator[bytes]:
    """A chunked body that never says how long it is, and never ends."""
    for _ in range(megabytes):
        yield b"f4240\r\n" + MEGABYTE + b"\r\n"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("length", [LIMIT + 1, 10**12, 2**63, 2**64 - 1])
def test_a_body_that_declares_too_much_is_refused_unread(wire: Wire, route: str, length: int) -> None:
    answer = wire.send(request("POST", route, b"{", f"Content-Length: {length}", length=False)).reply()
    assert str(LIMIT) in refused(answer)
    assert answer.status == 413
    assert wire.closed()


@pytest.mark.parametrize("route", ROUTES)
def test_a_chunked_body_is_cut_when_it_passes_the_limit(wire: Wire, route: str) -> None:
    wire.send(request("POST", route, b"", "Transfer-Encoding: chunked", length=False))
    answer = wire.send(chunks(11)).reply()
    assert answer is None or (answer.status, str(LIMIT) in refused(answer)) == (413, True)
    assert wire.closed()


@pytest.mark.parametrize("path", ["/health", "/v2", "/v2/health/live", "/metrics", "/docs", "/nowhere"])
def test_a_body_that_nobody_wants_is_not_collected(wire: Wire, path: str) -> None:
    wire.send(request("POST", path, b"", "Transfer-Encoding: chunked", length=False))
    answer = wire.send(chunks(30)).reply()
    assert answer is None or refused(answer)


def test_expecting_to_be_told_to_go_on_is_answered_by_the_refusal(wire: Wire) -> None:
    headers = ("Expect: 100-continue", f"Content-Length: {LIMIT + 1}")
    answer = wire.send(request("POST", V1, b"", *headers, length=False)).reply()
    assert (answer.status, bool(refused(answer))) == (413, True)


@pytest.mark.parametrize("route", [V1, "/health", "/nowhere"])
@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{index}: a" for index in range(10_000)],
        ["X-Long: " + "a" * 1_000_000],
        ["X" * 1_000_000 + ": a"],
        ["Cookie: a"] * 10_000,
        ["X-Request-Id: " + "a" * 100_000],
        ["Content-Type: image/" + "p" * 100_000],
    ],
    ids=["10,000 headers", "a long header", "a long name", "10,000 cookies", "a long id", "a long type"],
)
def test_a_flood_of_headers_is_refused_and_cut(wire: Wire, route: str, headers: list[str]) -> None:
    answer = wire.send(request("POST", route, b"{}", *headers)).reply()
    assert answer is None or (refused(answer) and answer.status in (400, 431))
    assert wire.closed()


@pytest.mark.parametrize("length", [70_000, 1_000_000])
def test_a_long_address_is_refused_and_cut(wire: Wire, length: int) -> None:
    answer = wire.send(request("GET", "/" + "a" * length)).reply()
    assert answer is None or (refused(answer) and answer.status in (400, 404, 414, 431))


def form(*parts: bytes, boundary: bytes = b"b") -> bytes:
    return b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary


FILE = b'Content-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
FORMS: dict[str, tuple[str, bytes]] = {
    "ten thousand parts": ("multipart/form-data; boundary=b", form(*[FILE + b"x"] * 10_000)),
    "ten thousand empty parts": ("multipart/form-data; boundary=b", form(*[FILE] * 10_000)),
    "a part with 1,000 headers": ("multipart/form-data; boundary=b", form(b"X: y\r\n" * 1000 + FILE + b"x")),
    "a part with a long header": ("multipart/form-data; boundary=b", form(b"X: " + b"y" * 100_000 + b"\r\n" + FILE)),
    "no parts": ("multipart/form-data; boundary=b", b"--b--\r\n"),
    "no file": ("multipart/form-data; boundary=b", form(b'Content-Disposition: form-data; name="a"\r\n\r\nhallo')),
    "no end": ("multipart/form-data; boundary=b", form(FILE + b"x")[:-8]),
    "no boundary": ("multipart/form-data", form(FILE + b"x")),
    "an empty boundary": ("multipart/form-data; boundary=", form(FILE + b"x")),
    "another boundary": ("multipart/form-data; boundary=c", form(FILE + b"x")),
    "a long boundary": ("multipart/form-data; boundary=" + "b" * 1000, form(FILE, boundary=b"b" * 1000)),
    "no headers": ("multipart/form-data; boundary=b", form(b"\r\nx")),
    "broken headers": ("multipart/form-data; boundary=b", form(b"\x00\x01\r\n\r\nx")),
    "a form in a form": ("multipart/form-data; boundary=b", form(FILE + form(FILE + b"x", boundary=b"c"))),
    "another encoding": ("multipart/form-data; boundary=b", form(FILE[:-2] + b"Content-Transfer-Encoding: 8\r\n\r\nx")),
    "mixed": ("multipart/mixed; boundary=b", form(FILE + b"x")),
    "nothing": ("multipart/form-data; boundary=b", b""),
}


@pytest.mark.parametrize("route", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_none_is_refused(http: httpx.Client, route: str, name: str) -> None:
    content_type, body = FORMS[name]
    refused(http.post(route, content=body, headers={"content-type": content_type}))


def test_a_message_that_is_too_large_is_refused_over_grpc(stub: Stub) -> None:
    request = pb.ModelInferRequest(model_name="shapes", raw_input_contents=[bytes(12_000_000)])
    with pytest.raises(grpc.RpcError) as refusal:
        stub.ModelInfer(request, timeout=10)
    assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_flood_of_metadata_is_refused_over_grpc(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        stub.ServerLive(pb.ServerLiveRequest(), metadata=[("x-a", "a" * 100_000)], timeout=10)
    assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
