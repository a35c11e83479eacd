"""HTTP/2 below gRPC: frames that break its rules, and floods of them. The server goes on answering others."""

from collections.abc import Callable

import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub

from tests.hostile import http2
from tests.hostile.http2 import Http2, call, frame
from tests.predictor.conftest import RunningServer

STREAMS = range(1, 4001, 2)

CONTENTS: dict[str, bytes] = {
    "calls that are reset at once": b"".join(
        call(stream) + frame(http2.RST_STREAM, 0, stream, bytes(4)) for stream in STREAMS
    ),
    "calls of nothing": b"".join(call(stream) + frame(http2.DATA, http2.END_STREAM, stream, b"") for stream in STREAMS),
    "a message that lies about its length": call(1) + frame(http2.DATA, http2.END_STREAM, 1, b"\0\xff\xff\xff\xff"),
    "a message that says it is packed": call(1) + frame(http2.DATA, http2.END_STREAM, 1, b"\x01\0\0\0\x01x"),
    "methods that do not exist": b"".join(call(stream, "/x/y") for stream in STREAMS),
    "pings": frame(http2.PING, 0, 0, bytes(8)) * 20_000,
    "settings": frame(http2.SETTINGS, 0, 0) * 20_000,
    "empty data": call(1) + frame(http2.DATA, 0, 1) * 20_000,
    "headers that go on and on": frame(http2.HEADERS, 0, 1) + frame(http2.CONTINUATION, 0, 1, bytes(10_000)) * 500,
    "a window that overflows": frame(http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 3,
    "a window of nothing": frame(http2.WINDOW_UPDATE, 0, 0, bytes(4)),
    "data of no stream": frame(http2.DATA, 0, 0, b"x"),
    "a stream of the server": call(2),
    "headers that cannot be read": frame(http2.HEADERS, http2.END_HEADERS, 1, b"\xff" * 100),
    "no headers": frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1),
    "a frame that is too large": b"\xff\xff\xff" + bytes(6),
    "an unknown frame": frame(200, 255, 1, b"x" * 100),
    "no frame": b"\xff" * 1000,
    "a priority of itself": frame(http2.PRIORITY, 0, 1, b"\0\0\0\x01\xff"),
    "a promise": frame(http2.PUSH_PROMISE, http2.END_HEADERS, 1, b"\0\0\0\x02"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_whatever_frames_come_others_are_answered(
    server: RunningServer, stub: Stub, idle: Callable[[], None], name: str
) -> None:
    with Http2(server.grpc) as connection:
        connection.send(CONTENTS[name])
        assert stub.ModelReady(pb.ModelReadyRequest(name="shapes"), timeout=10).ready
    idle()
