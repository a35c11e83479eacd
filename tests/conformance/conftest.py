"""A server to ask, and how often: little in plain `pytest`, thousands of cases with `--conformance`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.fixtures.net import picture
from tests.fixtures.versions import publish_tiny
from tests.predictor.conftest import RunningServer

CASES: Counter[str] = Counter()
TIMES = 35  # as many with --conformance


def cases(number: int) -> settings:
    """So many generated cases, the same ones every time."""
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with version 1."""
    home = tmp_path_factory.mktemp("installation")
    publish_tiny(home)
    return home


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[RunningServer]:
    running = RunningServer(home)
    yield running
    running.stop()


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def times(request: pytest.FixtureRequest) -> int:
    """By what the number of generated cases is multiplied."""
    return TIMES if request.config.getoption("--conformance") else 1


@pytest.fixture(scope="session")
def png() -> bytes:
    return picture(0)


@pytest.fixture(autouse=True)
def alive(server: RunningServer) -> Iterator[None]:
    """Whatever it was asked, the server is there afterwards and wrote no stack."""
    before = len(server.log)
    yield
    assert server.process.poll() is None
    assert not [line for line in server.log[before:] if "Traceback" in line]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if CASES:
        each = ", ".join(f"{name} {count}" for name, count in sorted(CASES.items()))
        terminalreporter.write_line(f"conformance: {sum(CASES.values())} cases ({each})")
