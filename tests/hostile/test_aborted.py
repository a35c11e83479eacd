"""Clients that leave in the middle: nothing of them stays, and nobody is blamed."""

import socket
import struct
from collections.abc import Callable

import pytest

from tests.hostile.conftest import ERRORS, LIVE, V1, descriptors, samples
from tests.hostile.wire import Wire, request
from tests.predictor.conftest import RunningServer

TIMES = 200  # of each kind
PART = 30


def kinds(png: bytes) -> dict[str, bytes]:
    whole = request("POST", V1, png, "Content-Type: image/png")
    return {
        "before a byte": b"",
        "in the header": whole[:PART],
        "in the body": whole[:-PART],
        "before the answer": whole,
        "between requests": whole + LIVE + whole[:PART],
        "in a chunk": request("POST", V1, b"ff\r\n{", "Transfer-Encoding: chunked", length=False),
    }


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_aborted_requests_leave_no_descriptor_and_no_error(
    server: RunningServer, idle: Callable[[], None], png: bytes, reset: bool
) -> None:
    before, errors = descriptors(server), errors_of(server)
    for content in kinds(png).values():
        for _ in range(TIMES):
            with Wire(server.http) as wire:
                wire.send(content)
                if reset:
                    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    idle()
    assert descriptors(server) <= before + 10
    assert errors_of(server) == errors


def errors_of(server: RunningServer) -> float:
    return sum(value for (name, _), value in samples(server).items() if name == ERRORS)
