"""The clients of a soak: each is a thread that asks until it is told to stop, and counts what it was told."""

import random
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub

from tests.fixtures.net import picture
from tests.hostile.wire import Wire, request
from tests.predictor.conftest import RunningServer
from tests.soak.questions import V1, Question, bad, good
from tests.soak.tally import HUNG, LEFT, LOST, Tally

IDLE = 5000  # connections that only exist, or half as many as this process may have
PIECE, DROP = 300, 0.02  # bytes, and seconds between two of them, of a slow request
Client = Callable[[RunningServer, Tally, Event, random.Random], None]


def keeping(server: RunningServer, tally: Tally, stop: Event, chance: random.Random) -> None:
    """Good and bad requests over one connection, that is made again when the server closes it."""
    questions = good() * 4 + bad()
    while not stop.is_set():
        with Wire(server.http) as wire:
            while not stop.is_set() and ask(wire, chance.choice(questions), tally):
                pass


def visiting(server: RunningServer, tally: Tally, stop: Event, chance: random.Random) -> None:
    """A connection for each request."""
    questions = good() * 2 + bad()
    while not stop.is_set():
        with Wire(server.http) as wire:
            ask(wire, chance.choice(questions), tally)


def slow(server: RunningServer, tally: Tally, stop: Event, chance: random.Random) -> None:
    """Requests in small pieces that arrive in time, and halves that never become whole."""
    whole = request("POST", V1, picture(1, "JPEG"), "Content-Type: image/jpeg")
    pieces = [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]
    while not stop.is_set():
        with Wire(server.http) as wire:
            if chance.random() < 0.5:
                for piece in pieces:
                    wire.send(piece)
                    stop.wait(DROP)
                settle(wire, Question("slow: in pieces", whole, (200,), 1), tally)
            else:
                wire.send(whole[: chance.randrange(1, len(whole))])
                settle(wire, Question("slow: never whole", whole, (408,)), tally)


def leaving(server: RunningServer, tally: Tally, stop: Event, chance: random.Random) -> None:
    """Goes at any point of a request, politely or not."""
    whole = request("POST", V1, picture(1, "JPEG"), "Content-Type: image/jpeg")
    while not stop.is_set():
        with Wire(server.http) as wire:
            sent = chance.choice([0, 1, 60, len(whole) // 2, len(whole) - 1, len(whole)])
            wire.send(whole[:sent])
            if sent == len(whole):
                tally.maybe()
            if chance.random() < 0.5:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            tally.count("leaving", LEFT)
        stop.wait(DROP)


@contextmanager
def idle(server: RunningServer, tally: Tally) -> Iterator[None]:
    """Connections that ask once and then wait, for the whole time."""
    live = Question("idle", request("GET", "/v2/health/live", length=False), (200,))
    with ExitStack() as stack:
        for _ in range(min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)):
            ask(stack.enter_context(Wire(server.http)), live, tally)
        yield


def over_grpc(server: RunningServer, tally: Tally, stop: Event, chance: random.Random) -> None:
    """Good, bad, cancelled and late calls over one channel."""
    file = picture(1, "JPEG")
    raw = struct.pack("<I", len(file)) + file
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        stub = Stub(channel)
        while not stop.is_set():
            kind = chance.choice(["good", "good", "good", "bad", "cancelled", "late"])
            future = stub.ModelInfer.future(
                message(raw[:-1] if kind == "bad" else raw),
                timeout=0.0005 if kind == "late" else 30,
                wait_for_ready=True,  # else every call fails at once while the channel waits to connect again
            )
            if kind == "cancelled":
                future.cancel()
            code = future.code().name
            wanted = {"good": {"OK"}, "bad": {"INVALID_ARGUMENT"}, "cancelled": {"CANCELLED", "OK"}}
            late = {"DEADLINE_EXCEEDED", "OK"}
            if code != "OK" and kind in ("cancelled", "late"):
                tally.maybe()
            lost = code == "UNAVAILABLE"
            tally.count(
                f"gRPC: {kind}",
                LOST if lost else code,
                images=code == "OK",
                wanted=lost or code in wanted.get(kind, late),
            )


def message(raw: bytes) -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[1])
    return pb.ModelInferRequest(model_name="shapes", inputs=[tensor], raw_input_contents=[raw])


def ask(wire: Wire, question: Question, tally: Tally) -> bool:
    """Ask and count; False when the connection is not good for another."""
    wire.send(question.content)
    return settle(wire, question, tally)


def settle(wire: Wire, question: Question, tally: Tally) -> bool:
    try:
        answer = wire.reply()
    except TimeoutError:
        tally.count(question.kind, HUNG, wanted=False)
        return False
    if answer is None:
        tally.count(question.kind, LOST)
        return False
    wanted = answer.status in question.statuses
    tally.count(question.kind, str(answer.status), images=question.images if wanted else 0, wanted=wanted)
    return answer.headers.get("connection") != "close"


CLIENTS: list[Client] = [keeping, keeping, visiting, slow, leaving, over_grpc]


def start(server: RunningServer, tally: Tally, stop: Event) -> list[Thread]:
    """All that ask, each with a seed of its own."""
    threads = [
        Thread(target=client, args=(server, tally, stop, random.Random(seed)), name=client.__name__)
        for seed, client in enumerate(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    return threads
