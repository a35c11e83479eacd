"""A server to be hostile to, that has to be unharmed after every test."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub
from prometheus_client.parser import text_string_to_metric_families as families

from tests.fixtures.net import picture
from tests.fixtures.versions import publish_tiny
from tests.hostile.wire import Wire, request
from tests.predictor.conftest import RunningServer

V1, V2 = "/v1/models/shapes:predict", "/v2/models/shapes/infer"
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
INFLIGHT = "ml_geometry_inflight_requests"
ERRORS = "ml_geometry_errors_total"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with version 1."""
    home = tmp_path_factory.mktemp("installation")
    publish_tiny(home)
    return home


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[RunningServer]:
    with serving(home) as running:
        running.series = set(samples(running))
        yield running


@contextmanager
def serving(home: Path, *flags: str, workers: int = 1) -> Iterator[RunningServer]:
    """A server of its own, that ends with 0 whatever has happened to it and to the test."""
    running = RunningServer(home, *flags, workers=workers)
    try:
        yield running
    finally:
        running.process.terminate()
        code = running.wait()
    assert code == 0


@pytest.fixture(scope="session")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    # No request may hang the server for a second; a client on a busy machine waits some more.
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


@pytest.fixture(scope="session")
def stub(server: RunningServer) -> Iterator[Stub]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        yield Stub(channel)


@pytest.fixture
def wire(server: RunningServer) -> Iterator[Wire]:
    with Wire(server.http) as wire:
        yield wire


@pytest.fixture(scope="session")
def png() -> bytes:
    return picture(0)


@pytest.fixture(scope="session")
def text(png: bytes) -> str:
    return base64.b64encode(png).decode()


@pytest.fixture(autouse=True)
def unharmed(server: RunningServer) -> Iterator[None]:
    """Afterwards it is alive, blames itself for nothing, and counts what it counted before."""
    lines = len(server.log)
    yield
    assert server.process.poll() is None
    after = samples(server)
    assert set(after) == server.series
    assert sum(value for (name, labels), value in after.items() if name == ERRORS and "internal" in labels) == 0
    assert not [line for line in server.log[lines:] if "Traceback" in line]


@pytest.fixture
def usable(server: RunningServer) -> Callable[[Wire], None]:
    """Is the connection either good for another request, or closed?"""

    def check(wire: Wire) -> None:
        answer = wire.send(LIVE).reply()
        assert answer is None or answer.status == 200

    return check


@pytest.fixture
def idle(server: RunningServer) -> Callable[[], None]:
    """Ask for its metrics until nothing is in flight any more and its descriptors have come to rest."""

    def check() -> None:
        seen = [-1]
        for _ in range(500):
            seen.append(descriptors(server))
            inflight = sum(value for (name, _), value in samples(server).items() if name == INFLIGHT)
            if inflight == 0 and seen[-1] == seen[-2]:
                return
        pytest.fail(f"found {inflight} requests in flight and {seen[-1]} descriptors, wanted it idle")

    return check


def tree(server: RunningServer) -> list[int]:
    """Its process and those it forked."""
    first = server.process.pid
    return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]


def descriptors(server: RunningServer) -> int:
    """Open files and sockets of all its processes."""
    return sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in tree(server))


def samples(server: RunningServer) -> dict[tuple[str, frozenset[str]], float]:
    """Value by name and label values, as scraped."""
    with Wire(server.http) as wire:
        text = wire.send(request("GET", "/metrics", length=False)).reply().body.decode()
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in families(text)
        for sample in family.samples
    }
