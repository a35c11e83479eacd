"""Whatever stock KServe answers with 200 on the same version, this server answers with the same fields."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub

from registry.adapters.local.revision import free_port
from tests.conformance.conftest import CASES
from tests.conformance.corpus import FILES, FLOATS, PIXELS, Question, questions
from tests.predictor.conftest import RunningServer

ROOT = Path(__file__).parents[2]
LENGTH = "inference-header-content-length"
QUESTIONS = {question.name: question for question in questions()}
# Fields that are its own: nobody asked for this id, and its REST routes know neither version nor platform.
OWN = ("versions", "platform")


@dataclass(frozen=True)
class Stock:
    http: int
    grpc: int


@pytest.fixture(scope="module")
def stock(home: Path) -> Iterator[Stock]:
    ports = Stock(free_port(), free_port())
    command = [sys.executable, "-m", "tests.conformance.stock", "--home", str(home)]
    command += ["--http_port", str(ports.http), "--grpc_port", str(ports.grpc)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        log = []
        for line in process.stderr:
            log.append(line)
            if "Uvicorn running" in line:
                break
        else:
            pytest.fail("".join(log))
        # Its stacks would fill the pipe.
        Thread(target=process.stderr.read, daemon=True).start()
        with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
        yield ports
        process.terminate()


@pytest.fixture(scope="module")
def theirs(stock: Stock) -> dict[str, httpx.Response]:
    """What stock KServe says to the whole corpus. It drops the connection after each of its 500s."""
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=f"http://127.0.0.1:{stock.http}", timeout=20, limits=once) as client:
        return {name: ask(client, question) for name, question in QUESTIONS.items()}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_stock_kserve_answers_is_answered_alike(
    client: httpx.Client, theirs: dict[str, httpx.Response], name: str
) -> None:
    CASES["stock KServe"] += 1
    ours = ask(client, QUESTIONS[name])
    if theirs[name].status_code == 200:
        assert ours.status_code == 200, ours.text
        compare(fields(ours, QUESTIONS[name]), fields(theirs[name], QUESTIONS[name]))
    else:
        assert ours.status_code < 500 or ours.status_code == 501


def test_most_of_the_corpus_is_answered_by_stock_kserve(theirs: dict[str, httpx.Response]) -> None:
    assert len(theirs) >= 60
    assert sum(answer.status_code == 200 for answer in theirs.values()) >= 40


MESSAGES: dict[str, tuple[str, tuple[int, ...], bytes | pb.InferTensorContents]] = {
    "raw UINT8": ("UINT8", PIXELS[:2].shape, PIXELS[:2].tobytes()),
    "raw FP32": ("FP32", FLOATS[:1].shape, FLOATS[:1].tobytes()),
    "raw BYTES": ("BYTES", (2,), b"".join(len(file).to_bytes(4, "little") + file for file in FILES[:2])),
    "typed UINT8": ("UINT8", PIXELS[:1].shape, pb.InferTensorContents(uint_contents=PIXELS[:1].ravel().tolist())),
    "typed FP32": ("FP32", FLOATS[:1].shape, pb.InferTensorContents(fp32_contents=FLOATS[:1].ravel().tolist())),
    "typed BYTES": ("BYTES", (5,), pb.InferTensorContents(bytes_contents=FILES)),
    "too few": ("BYTES", (2,), pb.InferTensorContents(bytes_contents=FILES[:1])),
    "no image": ("BYTES", (1,), pb.InferTensorContents(bytes_contents=[b"hallo"])),
    "no contents": ("FP32", (1, 64, 64, 3), pb.InferTensorContents()),
}


@pytest.mark.parametrize("id", ["", "g-1"])
@pytest.mark.parametrize("name", MESSAGES)
def test_what_stock_kserve_answers_over_grpc_is_answered_alike(
    server: RunningServer, stock: Stock, name: str, id: str
) -> None:
    CASES["stock KServe"] += 1
    datatype, shape, content = MESSAGES[name]
    raw = isinstance(content, bytes)
    tensor = pb.ModelInferRequest.InferInputTensor(
        name="image", datatype=datatype, shape=shape, contents=None if raw else content
    )
    request = pb.ModelInferRequest(
        model_name="shapes", id=id, inputs=[tensor], raw_input_contents=[content] if raw else []
    )
    theirs, ours = (ask_grpc(port, request) for port in (stock.grpc, server.grpc))
    if theirs is not None:
        assert ours is not None
        compare(message(ours, id), message(theirs, id))


def ask(client: httpx.Client, question: Question) -> httpx.Response:
    return client.request(question.method, question.path, content=question.content, headers=question.headers)


def ask_grpc(port: int, request: pb.ModelInferRequest) -> pb.ModelInferResponse | None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            return Stub(channel).ModelInfer(request, timeout=20)
        except grpc.RpcError:
            return None


def fields(answer: httpx.Response, question: Question) -> dict[str, Any]:
    """What the protocol says, raw outputs as bytes at their places."""
    length = int(answer.headers.get(LENGTH, len(answer.content)))
    document, rest = json.loads(answer.content[:length]), answer.content[length:]
    for output in document.get("outputs", ()):
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is not None:
            output["data"], rest = rest[:size], rest[size:]
    assert rest == b""
    own = OWN if b'"id"' in question.content else (*OWN, "id")
    return {name: value for name, value in document.items() if name not in own}


def message(answer: pb.ModelInferResponse, id: str) -> dict[str, Any]:
    """All of it but what KServe adds to raw outputs of gRPC, which is of its REST extension."""
    document = MessageToDict(answer, preserving_proto_field_name=True)
    for output in document["outputs"]:
        output.pop("parameters", None)
    if not id:
        document.pop("id", None)
    return document


def compare(ours: Any, theirs: Any) -> None:
    """Alike, with numbers as near as two float32 are when one went through text."""
    if isinstance(theirs, dict):
        said = {name: value for name, value in theirs.items() if value is not None}
        assert sorted(ours) == sorted(said)
        for name in said:
            compare(ours[name], said[name])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            compare(one, other)
    elif isinstance(theirs, float):
        assert np.float32(ours) == pytest.approx(np.float32(theirs), rel=1e-6)
    else:
        assert ours == theirs
