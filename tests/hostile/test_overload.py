"""More work than there is time for: refused early with a word when to come back, while everything else goes on."""

import base64
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub
from PIL import Image

from tests.hostile.conftest import V1, samples, serving
from tests.hostile.oracle import refused
from tests.hostile.wire import Wire, request
from tests.predictor.conftest import RunningServer

CLIENTS = 16
SHED, ERRORS = "ml_geometry_shed_total", "ml_geometry_errors_total"
FILES = 16  # of a megapixel each: as much as a request may bring, a quarter of a second of decoding


@pytest.fixture(scope="module")
def busy(home: Path) -> Iterator[RunningServer]:
    """Takes no more than a twentieth of a second of work into its queue."""
    with serving(home, "--max_wait", "0.05") as running:
        yield running


@pytest.fixture(scope="module")
def large() -> bytes:
    file = BytesIO()
    Image.new("RGB", (1000, 1000)).save(file, "PNG")
    return file.getvalue()


def heavy(file: bytes) -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[FILES])
    content = (struct.pack("<I", len(file)) + file) * FILES
    return pb.ModelInferRequest(model_name="shapes", inputs=[tensor], raw_input_contents=[content])


def counted(server: RunningServer, name: str, *labels: str) -> float:
    found = samples(server).items()
    return sum(value for (sample, given), value in found if sample == name and {*labels} <= given)


def test_a_flood_is_answered_or_sent_away_with_a_time_to_return(busy: RunningServer, large: bytes) -> None:
    shed, errors = counted(busy, SHED), counted(busy, ERRORS, "overloaded")
    body = {"instances": [base64.b64encode(large).decode()] * FILES}
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = [clients.submit(httpx.post, busy.url + V1, json=body, timeout=60) for _ in range(2 * CLIENTS)]
        healthy = [httpx.get(f"{busy.url}/v2/health/{kind}", timeout=10) for kind in ("live", "ready") * 10]
        answers = [future.result() for future in asked]
    assert {answer.status_code for answer in healthy} == {200}
    assert {answer.status_code for answer in answers} == {200, 503}
    away = [answer for answer in answers if answer.status_code == 503]
    assert all(int(answer.headers["retry-after"]) >= 1 and refused(answer) for answer in away)
    assert counted(busy, SHED) - shed == counted(busy, ERRORS, "overloaded") - errors == len(away)


def test_a_flood_over_grpc_is_answered_or_sent_away(busy: RunningServer, large: bytes) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{busy.grpc}") as channel:
        futures = [Stub(channel).ModelInfer.future(heavy(large), timeout=60) for _ in range(CLIENTS)]
        codes = {future.code() for future in futures}
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_after_a_flood_everything_is_as_before(busy: RunningServer, png: bytes) -> None:
    answer = httpx.post(busy.url + V1, content=png, headers={"content-type": "image/png"}, timeout=10)
    assert answer.status_code == 200
    assert counted(busy, "ml_geometry_inflight_requests") == counted(busy, "ml_geometry_queue_requests") == 0


def test_nobody_waits_for_an_answer_that_would_come_too_late(busy: RunningServer, large: bytes) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{busy.grpc}") as channel:
        stub = Stub(channel)
        first = stub.ModelInfer.future(heavy(large), timeout=60)
        while counted(busy, "ml_geometry_inflight_requests") == 0:
            pass
        late = stub.ModelInfer.future(heavy(large), timeout=0.01)
        assert late.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert first.code() == grpc.StatusCode.OK


def test_bodies_that_never_end_hold_no_more_memory_than_is_allowed(home: Path, png: bytes) -> None:
    half = request("POST", V1, bytes(900_000), "Content-Length: 1000000", length=False)
    with serving(home, "--max_held", "3000000", "--receive_timeout", "1") as server, ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.http)).send(half) for _ in range(10)]
        answers = [wire.reply() for wire in wires]
        assert {answer.status for answer in answers if refused(answer)} == {408, 503}
        answer = httpx.post(server.url + V1, content=png, headers={"content-type": "image/png"}, timeout=10)
        assert answer.status_code == 200
