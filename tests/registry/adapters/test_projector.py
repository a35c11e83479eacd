"""The controller's side of the mirror, over children that are slow, fail, or print what nobody can read."""

import json
import logging
import os
import sys
from datetime import timedelta

import pytest

from registry.adapters.projector import FIRST_PAUSE, LONGEST, POLL, Projector
from registry.domain.state import State
from tests.registry.domain.builders import MODEL, NOON, idle, promoted

AGREES = "print(json.dumps({'changes': [], 'absent': [], 'behind': []}))"
HANGS = "import signal; signal.pause()"


class Mirror:
    """A projector whose children run a line of Python; `started` has the arguments and the MLflow of each."""

    def __init__(self, directory):
        self.started_in = directory / "started"
        self.line = AGREES
        self.now = NOON
        self.projector = Projector(directory, "sqlite:///mlflow.db", self._child)
        self.state = idle().state

    def _child(self, command):
        note = (
            f"open({str(self.started_in)!r}, 'a').write(os.environ['MLFLOW_TRACKING_URI'] + ' ' + sys.argv[2] + '\\n')"
        )
        return [sys.executable, "-I", "-S", "-c", f"import json, os, sys; {note}; {self.line}", *command[-2:]]

    @property
    def started(self):
        return self.started_in.read_text().splitlines() if self.started_in.exists() else []

    def turn(self, after=timedelta()):
        """One turn; a child that is on its way afterwards ends before the next, unless it hangs."""
        self.now += after
        self.projector.project(self.state, self.now)
        if self.running and self.line != HANGS:
            self.running.process.wait(30)

    @property
    def running(self):
        return self.projector._running


@pytest.fixture
def mirror(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    made = Mirror(tmp_path)
    yield made
    made.projector.stop()


def behind(caplog):
    return [record.getMessage() for record in caplog.records if "tracking.behind" in record.getMessage()]


def test_what_is_new_is_projected_at_once(mirror):
    mirror.turn()
    mirror.turn()
    mirror.state = promoted().state
    mirror.turn()
    assert mirror.started == ["sqlite:///mlflow.db shapes"] * 2


def test_a_mirror_that_agrees_is_looked_at_again_calmly(mirror):
    mirror.turn()
    mirror.turn(POLL / 2)
    mirror.turn(POLL - timedelta(seconds=1))
    assert len(mirror.started) == 1
    mirror.turn(timedelta(seconds=1))
    assert len(mirror.started) == 2


def test_what_changed_while_a_child_ran_is_projected_after_it(mirror):
    mirror.turn()
    mirror.state = promoted().state
    mirror.turn()
    assert len(mirror.started) == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("print('MLflow did not answer'); sys.exit(5)", "reason=MLflow did not answer"),
        ("sys.exit(7)", "reason=exit code 7"),
        ("print(')<rubbish')", "found ')<rubbish', wanted an answer"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe')", "wanted an answer"),
        ("pass", "found '', wanted an answer"),
        ("print('[' * 100000)", "wanted an answer"),
        ("print(json.dumps({'absent': []}))", "wanted an answer"),
        ("print(json.dumps({'changes': [], 'absent': ['4'], 'behind': []}))", "MLflow lacks version 4"),
        ("print(json.dumps({'changes': [], 'absent': [], 'behind': ['no report']}))", "reason=no report"),
    ],
)
def test_whatever_a_child_does_is_told_once_and_tried_again_with_growing_pauses(mirror, caplog, line, told):
    mirror.line = line
    mirror.turn()
    mirror.turn()
    for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE):
        mirror.turn(pause)
        mirror.turn()
    (said,) = behind(caplog)
    assert told in said
    assert len(mirror.started) == 3


def test_a_mirror_is_never_left_alone_for_longer_than_a_poll(mirror):
    mirror.line = "sys.exit(5)"
    for expected in range(1, 9):
        mirror.turn(POLL)
        mirror.turn()
        assert len(mirror.started) == expected


def test_a_child_that_hangs_is_killed_and_tried_again(mirror, caplog):
    mirror.line = HANGS
    mirror.turn()
    hung = mirror.running.process
    mirror.turn(LONGEST - timedelta(seconds=1))
    assert hung.poll() is None
    mirror.turn(timedelta(seconds=1))
    hung.wait(30)
    mirror.turn()
    assert "it was killed" in behind(caplog)[0]
    assert mirror.running is None
    mirror.turn(FIRST_PAUSE)
    assert mirror.running.process is not hung


def test_no_turn_waits_for_a_child_that_prints_without_end(mirror, caplog):
    mirror.line = "print('x' * (4 << 20)); sys.exit(1)"
    mirror.turn()
    mirror.turn()
    assert len(behind(caplog)[0]) < 400


def test_a_process_that_cannot_be_started_is_told_and_tried_again(mirror, caplog):
    mirror.projector.tether = lambda command: ["/nowhere/at/all"]
    mirror.turn()
    assert "no process for it" in behind(caplog)[0]
    mirror.projector.tether = mirror._child
    mirror.turn(FIRST_PAUSE)
    assert len(mirror.started) == 1


def test_what_a_child_changed_is_told(mirror, caplog):
    answer = {"changes": ["alias production: version 2"], "absent": [], "behind": []}
    mirror.line = f"print('a warning of MLflow'); print({json.dumps(answer)!r})"
    mirror.turn()
    mirror.turn()
    assert "tracking.changed model=shapes alias production: version 2" in caplog.text
    assert behind(caplog) == []


def test_nothing_is_projected_of_a_model_without_versions(mirror):
    mirror.state = State(MODEL)
    mirror.turn()
    assert mirror.started == []


def test_stopping_ends_the_child(mirror):
    mirror.line = HANGS
    mirror.turn()
    pid = mirror.running.process.pid
    mirror.projector.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
