"""Supervised children: started tethered, started again with growing pauses when they end, stopped with a grace.

Nothing here waits or reads a clock: `step(now)` looks, and does what is due. Every child writes to a capped log file.
"""

import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from registry.adapters.local.tether import tethered

FIRST_PAUSE = timedelta(seconds=0.2)
LONGEST_PAUSE = timedelta(seconds=10)
STEADY = timedelta(seconds=30)
"""A child that was up this long has forgotten its earlier failures."""

GRACE = timedelta(seconds=20)
"""From SIGTERM to SIGKILL: the longest request a predictor still finishes."""

LOG_LIMIT = 5_000_000
"""Bytes; the older half of a log is in `<name>.log.1`."""

_log = logging.getLogger(__name__)


def backoff(failures: int) -> timedelta:
    """The pause before the next start after this many failures in a row: 0.2 s, 0.4 s … 10 s."""
    pause: timedelta = FIRST_PAUSE * 2 ** (min(max(failures, 1), 10) - 1)
    return min(pause, LONGEST_PAUSE)


def next_failures(failures: int, *, up: timedelta) -> int:
    """Failures in a row after one more end, `up` after its start."""
    return 1 if up >= STEADY else failures + 1


@dataclass
class Child:
    """One supervised process. `command` is asked at every start, so that a lost port can be replaced.

    restarts: how often it was started again. Raises RuntimeError when it is started outside of the main thread.
    """

    name: str
    command: Callable[[], Sequence[str]]
    logs: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = -1
    _process: subprocess.Popen[bytes] | None = None
    _started: datetime | None = None
    _failures: int = 0
    _due: datetime | None = None
    _kill_at: datetime | None = None

    @property
    def log(self) -> Path:
        return self.logs / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._process.pid if self._process else None

    @property
    def started(self) -> datetime | None:
        """When it was last started."""
        return self._started

    @property
    def stopping(self) -> bool:
        """It was told to end and is not started again."""
        return self._kill_at is not None

    @property
    def stopped(self) -> bool:
        """It was told to end and has ended."""
        return self.stopping and self._process is None

    def step(self, now: datetime) -> None:
        """Start it when that is due, notice its end, kill it when its grace is over."""
        self._reap(now)
        if self.stopping:
            self._kill_late(now)
        elif self._process is None and (self._due is None or now >= self._due):
            self._start(now)
        cap(self.log)

    def terminate(self, now: datetime, *, grace: timedelta = GRACE) -> None:
        """Tell it to end; `step` kills it when the grace is over."""
        if self.stopping:
            return
        self._kill_at = now + grace
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once; unless it is stopping, `step` starts it again."""
        if self._process:
            self._process.kill()

    def wait(self, timeout: float) -> bool:
        """Wait for its end for at most `timeout` seconds; says whether it has ended."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._process = None
        return True

    def _start(self, now: datetime) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children end with the thread that started them: start them from the main thread")
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command comes from the substrate
                tethered(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C at a terminal reaches the controller, which stops them in order
            )
        self._started = now
        self.restarts += 1

    def _reap(self, now: datetime) -> None:
        if self._process is None or (code := self._process.poll()) is None:
            return
        self._process = None
        if self.stopping:
            return
        up = now - self._started if self._started else timedelta(0)
        self._failures = next_failures(self._failures, up=up)
        self._due = now + backoff(self._failures)
        pause = backoff(self._failures).total_seconds()
        _log.warning("child.ended name=%s code=%s again_in=%.1f log=%s", self.name, code, pause, self.log)

    def _kill_late(self, now: datetime) -> None:
        if self._process and self._kill_at and now >= self._kill_at:
            _log.warning("child.killed name=%s signal=%s reason=grace_over", self.name, signal.SIGKILL.name)
            self._process.kill()


def cap(log: Path, *, limit: int = LOG_LIMIT) -> None:
    """Move a log beyond its limit to `<log>.1`. The writer appends, so it goes on at the start of the emptied file."""
    if not log.exists() or log.stat().st_size <= limit:
        return
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log, for a message."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
