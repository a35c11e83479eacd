"""Keeps MLflow's projection of the journal fresh: one short-lived child process at a time, again when it fails."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from registry.domain.state import State
from registry.domain.version import Model

RETRY = timedelta(seconds=60)
"""Between two tries while MLflow does not answer; a projection is repaired, never waited for."""

_log = logging.getLogger(__name__)


@dataclass
class Projector:
    """`project` starts what is due and returns at once."""

    tracking_uri: str
    _done: dict[Model, str] = field(default_factory=dict)
    _next: dict[Model, datetime] = field(default_factory=dict)
    _running: tuple[Model, str, subprocess.Popen[bytes]] | None = None

    def project(self, state: State, now: datetime) -> None:
        """Make MLflow say what `state` says, soon."""
        self._reap(now)
        wanted = json.dumps(self._document(state), sort_keys=True)
        due = self._next.get(state.model, now) <= now
        if self._running is None and due and state.versions and self._done.get(state.model) != wanted:
            self._running = (state.model, wanted, _start(wanted))

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
        if process.returncode == 0:
            self._done[model] = wanted
        else:
            self._next[model] = now + RETRY
            _log.warning("tracking.unreachable model=%s exit=%s", model, process.returncode)


def _start(document: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.adapters.tracking"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    if process.stdin is None:
        raise RuntimeError("a pipe was asked for and none is there")
    process.stdin.write(document.encode())
    process.stdin.close()
    return process
