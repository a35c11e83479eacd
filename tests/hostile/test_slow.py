"""Clients that do not finish, do not read or do not leave: they are cut after a limit, and starve nobody before."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.hostile.conftest import LIVE, V1, samples, serving
from tests.hostile.oracle import refused
from tests.hostile.wire import Wire, request
from tests.predictor.conftest import RunningServer

LIMIT = 0.5  # seconds for a header or a body
CONNECTIONS = 500
FLOOD = 30_000_000  # bytes; far more than a socket's buffers hold


@pytest.fixture(scope="module")
def impatient(home: Path) -> Iterator[RunningServer]:
    with serving(home, "--receive_timeout", str(LIMIT)) as running:
        yield running


HALVES: dict[str, bytes] = {
    "nothing": b"",
    "half a line": b"POST /v1/mod",
    "half a header": b"POST / HTTP/1.1\r\nHost: x\r\nX-A",
    "no end of the headers": b"POST / HTTP/1.1\r\nHost: x\r\n",
    "no body": request("POST", V1, b"", "Content-Length: 100", length=False),
    "half a body": request("POST", V1, b"{", "Content-Length: 100", length=False),
    "half a body of a cold route": request("POST", "/health", b"{", "Content-Length: 100", length=False),
    "no chunk": request("POST", V1, b"", "Transfer-Encoding: chunked", length=False),
    "half a chunk": request("POST", V1, b"5\r\n{", "Transfer-Encoding: chunked", length=False),
    "no last chunk": request("POST", V1, b"1\r\n{\r\n", "Transfer-Encoding: chunked", length=False),
    "a good request and a half": LIVE + b"POST /v1/mod",
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_request_is_cut(impatient: RunningServer, name: str) -> None:
    with Wire(impatient.http) as wire:
        answer = wire.send(HALVES[name]).reply()
        if answer is not None and answer.status == 200:
            answer = wire.reply()
        assert answer is None or (refused(answer) and answer.status in (405, 408))
        assert wire.closed()


@pytest.mark.parametrize("name", ["header", "body", "chunks"])
def test_a_request_that_drips_is_cut(impatient: RunningServer, name: str) -> None:
    start, drop = {
        "header": (b"POST / HTTP/1.1\r\nX-A: ", b"a"),
        "body": (request("POST", V1, b"", "Content-Length: 9999", length=False), b" "),
        "chunks": (request("POST", V1, b"", "Transfer-Encoding: chunked", length=False), b"1\r\n \r\n"),
    }[name]
    with Wire(impatient.http) as wire:
        wire.send(start)
        wire.socket.settimeout(LIMIT / 5)
        assert any(cut_while_it_drips(wire, drop) for _ in range(100))


def cut_while_it_drips(wire: Wire, drop: bytes) -> bool:
    """Send a little more when nothing came back for a while."""
    try:
        return wire.socket.recv(1000) in (b"",) or cut_while_it_drips(wire, b"")
    except TimeoutError:
        wire.send(drop)
        return False
    except ConnectionResetError:
        return True


def test_a_connection_that_waits_between_requests_is_kept(impatient: RunningServer) -> None:
    with Wire(impatient.http) as waiting, Wire(impatient.http) as half:
        assert waiting.send(LIVE).reply().status == 200
        half.send(b"POST").reply()
        assert half.closed()  # more than the limit is over
        assert waiting.send(LIVE).reply().status == 200


def test_unfinished_connections_starve_nobody_and_are_all_cut(impatient: RunningServer, png: bytes) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(impatient.http)) for _ in range(CONNECTIONS)]
        for wire in wires:
            wire.send(b"POST / HTTP/1.1\r\n")
        for _ in range(20):
            answer = httpx.post(impatient.url + V1, content=png, headers={"content-type": "image/png"}, timeout=5)
            assert answer.status_code == 200
        for wire in wires:
            wire.reply()
            assert wire.closed()


def test_idle_connections_starve_nobody(server: RunningServer, png: bytes) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.http)) for _ in range(CONNECTIONS)]
        assert {wire.send(LIVE).reply().status for wire in wires} == {200}
        for _ in range(20):
            answer = httpx.post(server.url + V1, content=png, headers={"content-type": "image/png"}, timeout=5)
            assert answer.status_code == 200
        assert {wire.send(LIVE).reply().status for wire in wires} == {200}


@pytest.mark.parametrize("content", [LIVE, b"POST / HT"], ids=["idle", "half a header"])
def test_one_connection_too_many_takes_the_place_of_the_longest_waiting(home: Path, content: bytes) -> None:
    with serving(home, "--max_connections", "20") as server, ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.http)).send(content) for _ in range(60)]
        with Wire(server.http) as newest:
            assert newest.send(LIVE).reply().status == 200
        wires[0].reply()
        assert wires[0].closed()


@pytest.mark.parametrize("path", ["/metrics", "/v2/health/live"])
def test_a_client_that_never_reads_is_not_read_from_either(server: RunningServer, path: str) -> None:
    with Wire(server.http) as wire:
        assert not takes(wire, request("GET", path, length=False) * 1000)
    assert samples(server)


def test_predictions_nobody_reads_are_not_made_without_end(server: RunningServer, png: bytes) -> None:
    with Wire(server.http) as wire:
        assert not takes(wire, request("POST", V1, png, "Content-Type: image/png") * 100)
    assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200


def takes(wire: Wire, content: bytes) -> bool:
    """Does the server take this again and again, while nobody reads its answers?"""
    wire.socket.settimeout(1)
    try:
        for _ in range(FLOOD // len(content)):
            wire.socket.sendall(content)
    except (TimeoutError, ConnectionError):
        return False
    return True
