"""Processes that die, hang, or lose their parent."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from predictor.workers import Heartbeats, Workers
from tests.predictor.conftest import READY, RunningServer

PREDICT = "/v1/models/shapes:predict"


@pytest.fixture
def server(home: Path) -> Iterator[RunningServer]:
    running = RunningServer(home, workers=2)
    yield running
    running.process.kill()
    running.wait()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def sample(server: RunningServer, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def until(happened: Callable[[], bool]) -> None:
    """Look until it has; the test's own time limit ends a wait that never does."""
    while not happened():
        os.sched_yield()


def test_a_killed_process_has_a_successor_that_counts_on(server: RunningServer, png: bytes) -> None:
    for _ in range(8):
        httpx.post(server.url + PREDICT, content=png, headers={"content-type": "image/png"})
    victim = children(server.process.pid)[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: sum(READY in line for line in server.log) == 3)
    assert victim not in children(server.process.pid)
    answers = [httpx.get(f"{server.url}/v2/health/live").status_code for _ in range(8)]
    assert answers == [200] * 8
    assert sample(server, "ml_geometry_predictions_total") == 8
    assert sample(server, "ml_geometry_process_restarts_total") == 1


def test_processes_end_with_their_parent(server: RunningServer) -> None:
    workers = children(server.process.pid)
    server.process.kill()
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_a_signal_ends_all_of_them(server: RunningServer) -> None:
    workers = children(server.process.pid)
    assert server.stop() == 0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_a_process_that_shows_no_sign_of_life_is_replaced() -> None:
    reading, writing = os.pipe()

    def silent(process: int) -> None:
        os.write(writing, os.getpid().to_bytes(4, "little"))
        signal.pause()

    parent = os.fork()
    if parent == 0:
        with socket.socket() as unused:
            beats = Heartbeats(1)
            Workers([unused], silent, heartbeats=beats, restarted=lambda: None, grace=0.1, hung=0.2, beat=0.05).run()
        os._exit(0)
    first, second = os.read(reading, 4), os.read(reading, 4)
    assert first != second
    os.kill(parent, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(parent, 0)[1]) == 0
    for end in (reading, writing):
        os.close(end)


def test_a_beat_is_as_old_as_it_is() -> None:
    beats = Heartbeats(2)
    before = time.monotonic()
    beats.beat(1)
    assert 0 <= beats.age(1) <= time.monotonic() - before
    assert beats.age(0) > beats.age(1)
