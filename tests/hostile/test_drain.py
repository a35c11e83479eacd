"""SIGTERM: not ready at once, serving on while whoever routes here has not heard of it, and nothing is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub

from tests.hostile.conftest import V1, serving
from tests.hostile.wire import Wire, request
from tests.predictor.conftest import RunningServer

DRAIN = 2.0  # seconds
CLIENTS = 4


@pytest.fixture
def leaving(home: Path) -> Iterator[RunningServer]:
    with serving(home, "--drain", str(DRAIN), workers=2) as running:
        yield running


def test_a_signal_loses_no_request(leaving: RunningServer, png: bytes) -> None:
    content = request("POST", V1, png, "Content-Type: image/png")
    with ThreadPoolExecutor(CLIENTS) as clients, ExitStack() as stack:
        stop = Event()
        stack.callback(stop.set)  # whatever happens: else nobody could wait for the clients
        half, kept = (stack.enter_context(Wire(leaving.http)) for _ in range(2))
        asked = [clients.submit(ask_until, stop, leaving, png) for _ in range(CLIENTS)]
        half.send(content[:-50])
        assert kept.send(content).reply().status == 200
        leaving.process.terminate()
        while ready(leaving):
            pass
        assert kept.send(content).reply().status == 200
        assert {ask(leaving, png) for _ in range(20)} == {200}
        stop.set()
        assert half.send(content[-50:]).reply().status == 200
        statuses = [status for future in asked for status in future.result()]
    assert set(statuses) == {200}
    assert len(statuses) > CLIENTS


def test_a_signal_is_told_over_grpc_and_calls_go_on(leaving: RunningServer, png: bytes) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[1])
    raw = len(png).to_bytes(4, "little") + png
    call = pb.ModelInferRequest(model_name="shapes", inputs=[tensor], raw_input_contents=[raw])
    with grpc.insecure_channel(f"127.0.0.1:{leaving.grpc}") as channel:
        stub = Stub(channel)
        assert stub.ServerReady(pb.ServerReadyRequest(), wait_for_ready=True).ready
        leaving.process.terminate()
        while stub.ServerReady(pb.ServerReadyRequest()).ready:
            pass
        assert not stub.ModelReady(pb.ModelReadyRequest(name="shapes")).ready
        assert stub.ServerLive(pb.ServerLiveRequest()).live
        assert len(stub.ModelInfer(call).outputs) == 3


NEVER: dict[str, bytes] = {
    "silent": b"",
    "half a header": b"POST / HT",
    "half a body": request("POST", V1, b"{", "Content-Length: 100", length=False),
    "half a body of a cold route": request("POST", "/health", b"{", "Content-Length: 100", length=False),
    "never reads": request("GET", "/metrics", length=False) * 2000,
}


def test_clients_that_never_finish_do_not_hold_up_the_end(home: Path) -> None:
    with serving(home, "--receive_timeout", "0.5") as server, ExitStack() as stack:
        for content in NEVER.values():
            wire = stack.enter_context(Wire(server.http))
            wire.socket.settimeout(1)
            with suppress(TimeoutError):
                wire.send(content)
        server.process.terminate()
        assert server.process.wait(timeout=20) == 0


def ask(server: RunningServer, png: bytes) -> int:
    """On a connection of its own."""
    with Wire(server.http) as wire:
        return wire.send(request("POST", V1, png, "Content-Type: image/png")).reply().status


def ready(server: RunningServer) -> bool:
    with Wire(server.http) as wire:
        return wire.send(request("GET", "/v2/health/ready", length=False)).reply().status == 200


def ask_until(stop: Event, server: RunningServer, png: bytes) -> list[int]:
    statuses = []
    while not stop.is_set():
        statuses.append(ask(server, png))
    return statuses
