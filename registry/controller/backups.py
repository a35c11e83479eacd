"""Backups on the policy's schedule, each in a child process, so that turns go on meanwhile.

`python -m registry.controller.backups HOME TO NOW MODEL=ANCHOR…` is that child. The newest backup's name says when the
next one is due, so that a restarted controller neither forgets one nor makes it twice.
"""

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from registry.domain.errors import RegistryError
from registry.domain.journal import Anchor
from registry.domain.objects import anchor_text, parse_anchor
from registry.domain.policy import Backup
from registry.domain.version import Model, model_name
from registry.store.backup import last_backup, write_backup
from registry.store.home import Home

PAUSE = timedelta(minutes=5)
"""Before a backup that failed is tried again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What is known of backups. every: seconds between two, as asked; last: when the newest was made."""

    every: float | None = None
    last: datetime | None = None


@dataclass
class Backups:
    """`step` starts what is due and returns at once. tether: makes a command end with this process. mounted: the place
    must be there, as a volume is; what would be made beside it goes with the pod. kept: replaced and never changed."""

    home: Home
    tether: Callable[[Sequence[str]], Sequence[str]]
    mounted: bool = False
    kept: Kept = Kept()
    _running: subprocess.Popen[str] | None = None
    _again: datetime | None = None

    def step(
        self, wanted: Backup, now: datetime, anchors: Mapping[Model, Anchor | None] = MappingProxyType({})
    ) -> None:
        """One turn's share: tell how a backup ended, or begin one. anchors: of the models, as they were found last."""
        self._reap(now)
        if wanted.to is None or wanted.every is None:
            self.kept = Kept()
            return
        to = self.home.root / wanted.to
        self.kept = Kept(wanted.every, last_backup(to))
        waits = self._running is not None or (self._again is not None and now < self._again)
        if waits or not self._due(now):
            return
        if self.mounted and not to.is_dir():
            self._fail(now, f"{to} is not there; mount a volume, as kustomize/components/backup does at backups")
            return
        told = [f"{model}={anchor_text(anchor)}" for model, anchor in anchors.items() if anchor is not None]
        command = [sys.executable, "-m", __name__, str(self.home.root), str(to), now.isoformat(), *told]
        self._running = _started(self.tether(command))

    def stop(self) -> None:
        """End a backup that is on its way; the next one removes what it left."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def _due(self, now: datetime) -> bool:
        every, last = self.kept.every, self.kept.last
        return every is not None and (last is None or now - last >= timedelta(seconds=every))

    def _reap(self, now: datetime) -> None:
        if self._running is None or self._running.poll() is None:
            return
        told = self._running.stdout.read().strip() if self._running.stdout else ""
        if self._running.returncode == 0:
            _log.info("backup.written path=%s", told)
            self._again = None
        else:
            self._fail(now, told)
        self._running = None

    def _fail(self, now: datetime, reason: str) -> None:
        _log.error("backup.failed again_in=%s reason=%s", PAUSE, reason)
        self._again = now + PAUSE


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    """This very program as a child, all that it prints in one pipe."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603


def _anchors(told: Sequence[str]) -> Mapping[Model, Anchor]:
    """Raises InvalidName, InvalidDocument."""
    parts = (each.partition("=") for each in told)
    return {model_name(model): parse_anchor(anchor) for model, _, anchor in parts}


def main(arguments: Sequence[str]) -> int:
    """Write one backup and print its path; 1 with one line when it failed."""
    home, to, now = Home(Path(arguments[0])), Path(arguments[1]), datetime.fromisoformat(arguments[2])
    try:
        backup = write_backup(home, to, anchors=_anchors(arguments[3:]), now=now)
    except (RegistryError, OSError) as error:
        print(error)
        return 1
    print(backup.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
