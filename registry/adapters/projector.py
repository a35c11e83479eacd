"""Keeps MLflow's projection of the journal fresh: one short-lived child process at a time, again when it fails.

Also when nothing changed it is repeated calmly, so that what somebody altered in MLflow comes back. No turn waits for
it, and nothing that it does or says changes a decision.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument
from registry.domain.mirror import aliases
from registry.domain.state import State
from registry.domain.version import Model

POLL = timedelta(minutes=5)
"""Between two looks at a mirror that agrees: its users see an alias that they moved go back within this time."""

FIRST_PAUSE = timedelta(seconds=30)
"""Before the next try while MLflow does not answer or lacks a version; doubled each time, up to POLL."""

LONGEST = timedelta(minutes=10)
"""After which a child is killed: it hangs. Long, because on a busy machine everybody else goes first."""

_ANSWER = 1 << 20
"""Bytes at the end of a child's output that are read."""

CHILD = (sys.executable, "-m", "registry.adapters.mirroring")

_log = logging.getLogger(__name__)


@dataclass
class _Mirror:
    """One model's: what it is to show, when the next projection is due, and what was said of the last one."""

    wanted: object
    due: datetime
    pause: timedelta = FIRST_PAUSE
    problem: str = ""


@dataclass(frozen=True)
class _Running:
    """A child on its way. wanted: what the journal said when it started."""

    model: Model
    wanted: object
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    began: datetime


@dataclass
class Projector:
    """`project` starts what is due and returns at once. tether: makes a command end with this process."""

    root: Path
    tracking_uri: str
    tether: Callable[[Sequence[str]], Sequence[str]]
    child: Sequence[str] = CHILD
    _mirrors: dict[Model, _Mirror] = field(default_factory=dict)
    _running: _Running | None = None

    def project(self, state: State, now: datetime) -> None:
        """Make MLflow say what `state` says, soon."""
        self._reap(now)
        wanted = _wanted(state)
        known = self._mirrors.get(state.model)
        if known is None or known.wanted != wanted:
            known = self._mirrors[state.model] = _Mirror(wanted, now, problem=known.problem if known else "")
        if self._running is None and state.versions and known.due <= now:
            try:
                self._running = self._start(state.model, wanted, now)
            except OSError as error:
                self._behind(state.model, f"no process for it ({error})", now)

    def stop(self) -> None:
        """End a projection that is on its way."""
        if self._running is not None:
            self._running.process.kill()
            self._running.process.wait()
            self._running.output.close()
            self._running = None

    def _start(self, model: Model, wanted: object, now: datetime) -> _Running:
        # A file takes all that is printed; a pipe that nobody reads would hold the child.
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child is reaped
        process = subprocess.Popen(  # noqa: S603 - this very program
            self.tether([*self.child, str(self.root), model]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # not an argument, which every user of the machine could read: an address may hold a password
            env={**os.environ, "MLFLOW_TRACKING_URI": self.tracking_uri},
        )
        return _Running(model, wanted, process, output, now)

    def _reap(self, now: datetime) -> None:
        running = self._running
        if running is None:
            return
        if running.process.poll() is None:
            if now - running.began >= LONGEST:
                running.process.kill()  # and reaped in a later turn
            return
        self._running = None
        with running.output as output:
            last = _last_line(output)
        problem = _problem(running.model, running.process.returncode, last)
        if problem:
            self._behind(running.model, problem, now)
        else:
            self._agrees(running, now)

    def _agrees(self, running: _Running, now: datetime) -> None:
        mirror = self._mirrors[running.model]
        mirror.problem = ""
        if mirror.wanted == running.wanted:
            mirror.due, mirror.pause = now + POLL, FIRST_PAUSE

    def _behind(self, model: Model, problem: str, now: datetime) -> None:
        """Try again later; say why when that is news."""
        mirror = self._mirrors[model]
        mirror.due, mirror.pause = now + mirror.pause, min(2 * mirror.pause, POLL)
        if mirror.problem != problem:
            mirror.problem = problem
            _log.warning("tracking.behind model=%s reason=%s", model, problem)


def _wanted(state: State) -> object:
    """What a projection depends on; the end of a rollback window is told in a report."""
    return state.versions, aliases(state), state.guarding is not None and state.guarding.version


def _last_line(output: IO[bytes]) -> bytes:
    output.seek(max(0, output.seek(0, os.SEEK_END) - _ANSWER))
    lines = output.read().splitlines()
    return lines[-1] if lines else b""


def _problem(model: Model, code: int, last: bytes) -> str:
    """What is still to do, empty when nothing is; what the child changed is told."""
    text = last.decode(errors="replace")[:300]
    if code == -signal.SIGKILL:
        return f"it was killed, as it is when it takes longer than {LONGEST}"
    if code != 0:
        return text or f"exit code {code}"
    try:
        answer = Fields.parse(last, "answer")
        changes, absent, behind = (answer.texts(key) for key in ("changes", "absent", "behind"))
    except InvalidDocument:
        return f"found {text!r}, wanted an answer"
    for change in changes:
        _log.info("tracking.changed model=%s %s", model, change)
    lacks = [f"MLflow lacks version {', '.join(absent)}"] if absent else []
    return "; ".join([*lacks, *behind])
