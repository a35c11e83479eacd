"""Supervised children."""

import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.local.processes import (
    LONGEST_PAUSE,
    Child,
    backoff,
    cap,
    last_lines,
    next_failures,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FOREVER = (sys.executable, "-I", "-S", "-c", "import signal; print('up', flush=True); signal.pause()")
STUBBORN = (
    *FOREVER[:-1],
    "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
)
FAILS = (*FOREVER[:-1], "print('no'); raise SystemExit(3)")


@pytest.fixture
def child(tmp_path: Path):
    made = []

    def make(command, name="one"):
        made.append(Child(name, lambda: command, logs=tmp_path))
        return made[-1]

    yield make
    for found in made:
        found.kill()
        assert found.wait(timeout=10)


def up(found: Child) -> bool:
    return "up" in last_lines(found.log)


def ended(found: Child, now: datetime) -> bool:
    found.step(now)
    return found.pid is None


@given(st.integers(1, 10_000))
def test_pauses_grow_and_stay_within_ten_seconds(failures):
    assert timedelta(seconds=0.2) <= backoff(failures) <= backoff(failures + 1) <= LONGEST_PAUSE


def test_pauses_double():
    assert [backoff(failures).total_seconds() for failures in (1, 2, 3, 7)] == [0.2, 0.4, 0.8, 10]


def test_thirty_seconds_up_forget_earlier_failures():
    assert next_failures(5, up=30 * SECOND) == 1
    assert next_failures(5, up=29 * SECOND) == 6


def test_a_child_that_ends_is_started_again_after_its_pause(child, until):
    one = child(FAILS)
    one.step(NOW)
    until(lambda: ended(one, NOW))
    one.step(NOW + timedelta(seconds=0.1))
    assert (one.pid, one.restarts) == (None, 0)
    one.step(NOW + timedelta(seconds=0.2))
    assert one.pid is not None
    assert one.restarts == 1


def test_a_command_that_cannot_be_started_says_so_in_its_log(child, until):
    one = child(("/nowhere/predictor",))
    one.step(NOW)
    until(lambda: ended(one, NOW))
    assert last_lines(one.log) == "/nowhere/predictor: not started: No such file or directory"


def test_a_child_that_was_told_to_end_stays_ended(child, until):
    one = child(FOREVER)
    one.step(NOW)
    until(lambda: up(one))
    one.terminate(NOW)
    until(lambda: ended(one, NOW))
    one.step(NOW + 60 * SECOND)
    assert one.stopped
    assert one.pid is None


def test_a_child_that_ignores_its_end_is_killed_after_the_grace(child, until):
    one = child(STUBBORN)
    one.step(NOW)
    until(lambda: up(one))
    one.terminate(NOW, grace=SECOND)
    one.step(NOW + 0.9 * SECOND)
    assert not one.wait(timeout=0.05)
    until(lambda: ended(one, NOW + SECOND))


def test_the_command_is_asked_at_every_start(child, until, tmp_path):
    asked = iter((FAILS, FOREVER))
    one = Child("two", lambda: next(asked), logs=tmp_path)
    one.step(NOW)
    until(lambda: ended(one, NOW))
    one.step(NOW + SECOND)
    until(lambda: up(one))
    one.kill()
    assert one.wait(timeout=10)


def test_children_are_started_from_the_main_thread_only(child):
    one, raised = child(FOREVER), []

    def start():
        try:
            one.step(NOW)
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in raised[0]
    assert one.pid is None


def test_a_log_beyond_its_limit_moves_aside_and_its_writer_goes_on(tmp_path):
    log = tmp_path / "one.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        cap(log, limit=99)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "one.log.1").read_bytes() == b"x" * 100
