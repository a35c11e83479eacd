"""HTTP that is not quite HTTP: what two servers in a row could read differently has to end at the first one."""

import socket
from collections.abc import Callable

import pytest

from tests.hostile.conftest import LIVE, V1
from tests.hostile.oracle import refused
from tests.hostile.wire import Wire, request

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST {V1} HTTP/1.1\r\nHost: x\r\n".encode()
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

# Each is refused, and the connection does not go on: nothing behind it may be taken for a request.
SMUGGLING: dict[str, bytes] = {
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "two lengths in one": POST + b"Content-Length: 0, 5\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length in hex": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length that is none": POST + b"Content-Length: two\r\n\r\n{}",
    "an empty length": POST + b"Content-Length:\r\n\r\n",
    "a length beyond numbers": POST + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n{}",
    "an unknown coding": POST + b"Transfer-Encoding: cow\r\n\r\n",
    "chunked before another": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a space in a name": POST + b"Content Length: 2\r\n\r\n{}",
    "a name that is empty": POST + b": 2\r\n\r\n",
    "a folded header": POST + b"X: a\r\n Content-Length: 2\r\n\r\n{}",
    "a zero byte in a header": POST + b"X: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "a bare return in a header": POST + b"X: a\rContent-Length: 2\r\n\r\n{}",
    "a header that is none": POST + b"Content-Length\r\n\r\n",
    "a chunk size that is none": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk in 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond numbers": CHUNKED + b"f" * 40 + b"\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\n{}{}\r\n0\r\n\r\n",
    "a chunk without an end": CHUNKED + b"2\r\n{}0\r\n\r\n",
    "no such version": f"POST {V1} HTTP/9.9\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "no version": f"POST {V1}\r\nHost: x\r\n\r\n".encode(),
    "no method": f" {V1} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "a method that is none": b"\x00\x01 / HTTP/1.1\r\n\r\n",
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "no host": f"POST {V1} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "two hosts": f"POST {V1} HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "words": b"hallo\r\n\r\n",
    "a megabyte of nothing": b"\r\n" * 500_000 + b"hallo\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_what_could_be_read_in_two_ways_is_refused_and_cut(wire: Wire, name: str) -> None:
    answer = wire.send(SMUGGLING[name] + SMUGGLED).reply()
    assert answer is None or refused(answer)
    while answer is not None and (answer := wire.reply()) is not None:
        assert answer.status != 404  # /smuggled was taken for a request


CHUNKS: dict[str, bytes] = {
    "an extension": b"2;a=b\r\n{}\r\n0\r\n\r\n",
    "a trailer": b"2\r\n{}\r\n0\r\nX: a\r\n\r\n",
    "byte by byte": b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    "leading zeros": b"0000002\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_chunks_as_they_may_be_are_read(wire: Wire, usable: Callable[[Wire], None], name: str) -> None:
    assert "instances" in refused(wire.send(CHUNKED + CHUNKS[name]).reply())
    usable(wire)


def test_requests_sent_in_one_go_are_answered_in_order_as_far_as_they_are_answered(wire: Wire, png: bytes) -> None:
    """A server may leave after any answer; the client then asks again."""
    good = request("POST", V1, png, "Content-Type: image/png")
    wire.send((good + request("POST", V1, b"{}") + LIVE) * 20)
    wire.socket.shutdown(socket.SHUT_WR)
    replies = list(iter(wire.reply, None))
    assert 1 <= len(replies) <= 60
    assert [reply.status for reply in replies] == ([200, 400, 200] * 20)[: len(replies)]


def test_requests_byte_by_byte_are_answered(wire: Wire, png: bytes) -> None:
    content = request("POST", V1, png, "Content-Type: image/png")
    wire.send(content[index : index + 1] for index in range(len(content)))
    assert wire.reply().status == 200


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_the_connection_lives_as_long_as_the_client_says(wire: Wire, png: bytes, version: str, connection: str) -> None:
    head = f"POST {V1} {version}\r\nHost: x\r\nConnection: {connection}\r\nContent-Type: image/png\r\n"
    wire.send(head.encode() + b"Content-Length: %d\r\n\r\n" % len(png) + png)
    assert wire.reply().status == 200
    if connection == "close":
        assert wire.closed()


def test_an_old_client_is_answered_and_left(wire: Wire) -> None:
    assert wire.send(b"GET /health HTTP/1.0\r\n\r\n").reply().status == 200
    assert wire.closed()


def test_a_refusal_leaves_the_connection_for_more(wire: Wire, png: bytes) -> None:
    for _ in range(3):
        assert wire.send(request("POST", V1, b"{")).reply().status == 400
        assert wire.send(request("POST", V1, png, "Content-Type: image/png")).reply().status == 200


UPGRADES = {
    "websocket": ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="],
    "HTTP/2": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
    "anything": ["Connection: Upgrade", "Upgrade: cow"],
}


@pytest.mark.parametrize("name", UPGRADES)
@pytest.mark.parametrize("path", ["/health", "/nowhere"])
def test_an_upgrade_is_not_given(wire: Wire, name: str, path: str) -> None:
    answer = wire.send(request("GET", path, b"", *UPGRADES[name], length=False)).reply()
    assert answer is None or answer.status in (200, 400, 404, 426)
    assert answer is None or answer.status == 200 or refused(answer)
