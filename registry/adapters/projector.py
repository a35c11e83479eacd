"""Keeps MLflow's projection of the journal fresh: one short-lived child process at a time, again when it fails."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from registry.domain.state import State
from registry.domain.version import Model

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
"""Before the next try while MLflow does not answer or lacks a version; a projection is repaired, never waited for."""

_log = logging.getLogger(__name__)


@dataclass
class Projector:
    """`project` starts what is due and returns at once. tether: makes a command end with this process."""

    tracking_uri: str
    tether: Callable[[Sequence[str]], Sequence[str]]
    _asked: dict[Model, str] = field(default_factory=dict)
    _done: dict[Model, str] = field(default_factory=dict)
    _next: dict[Model, datetime] = field(default_factory=dict)
    _pause: dict[Model, timedelta] = field(default_factory=dict)
    _running: tuple[Model, str, subprocess.Popen[bytes]] | None = None

    def project(self, state: State, now: datetime) -> None:
        """Make MLflow say what `state` says, soon."""
        self._reap(now)
        wanted = json.dumps(self._document(state), sort_keys=True)
        if self._asked.get(state.model) != wanted:
            self._asked[state.model] = wanted
            self._next.pop(state.model, None)
            self._pause.pop(state.model, None)
        due = self._next.get(state.model, now) <= now
        if self._running is None and due and state.versions and self._done.get(state.model) != wanted:
            self._running = (state.model, wanted, self._start(wanted))

    def stop(self) -> None:
        """End a projection that is on its way."""
        if self._running is not None:
            self._running[2].kill()
            self._running[2].wait()

    def _document(self, state: State) -> Mapping[str, Any]:
        return {
            "tracking_uri": self.tracking_uri,
            "model": state.model,
            "stages": {version: found.stage.value for version, found in state.versions.items()},
            "digests": {version: found.digest for version, found in state.versions.items()},
            "production": state.production,
            "staging": state.staging,
            "previous": state.previous,
        }

    def _reap(self, now: datetime) -> None:
        if self._running is None or self._running[2].poll() is None:
            return
        model, wanted, process = self._running
        self._running = None
        told = process.stdout.read() if process.stdout else b""
        if process.returncode == 0 and not json.loads(told)["absent"]:
            self._done[model] = wanted
            self._pause.pop(model, None)
            return
        pause = self._pause.get(model, FIRST_PAUSE)
        self._next[model], self._pause[model] = now + pause, min(2 * pause, LONGEST_PAUSE)
        _log.info("tracking.behind model=%s exit=%s again_in=%s", model, process.returncode, pause)

    def _start(self, document: str) -> subprocess.Popen[bytes]:
        command = self.tether([sys.executable, "-m", "registry.adapters.tracking"])
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - this very program
        if process.stdin is None:
            raise RuntimeError("a pipe was asked for and none is there")
        process.stdin.write(document.encode())
        process.stdin.close()
        return process
