"""Reports of rollouts: `reports/<model>/<sequence>.html`, named by the `started` entry; the journal rebuilds them.

A report is written when its rollout has ended, and once more when the rollback window after it has.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from registry.domain.account import Account, accounts
from registry.domain.checklist import Candidate
from registry.domain.confusion import confusion
from registry.domain.errors import NotFound
from registry.domain.journal import Entry
from registry.domain.report import COVERS, report
from registry.domain.version import Model, Version
from registry.store import durable
from registry.store.candidate import read_candidate
from registry.store.home import Home

_COVERED = re.compile(rf'<meta name="{COVERS}" content="[0-9]+-([0-9]+)"/>')
_HEAD = 300
"""Characters of a report in which that element stands."""


def report_path(home: Home, model: Model, sequence: int) -> Path:
    """Where the report of the rollout that entry `sequence` started lies, or would lie."""
    return home.root / "reports" / model / f"{sequence}.html"


def write_report(path: Path, account: Account, read: Callable[[Model, Version], Candidate]) -> Path:
    """Write the report of a rollout that has ended, unless it is there and tells all that happened.

    read: finds a version, for what both said of the same images.
    """
    if _covered(path) < account.last:
        base = account.base
        candidate = read(account.model, account.version)
        other = read(account.model, base) if base is not None else None
        durable.make_directory(path.parent)
        durable.replace(path, report(account, confusion(candidate, other)).encode())
    return path


def write_reports(home: Home, model: Model, entries: Sequence[Entry]) -> tuple[Account, ...]:
    """Write every report that is missing or older than what it tells of; return all rollouts that have ended."""
    ended = tuple(account for account in accounts(model, entries) if account.end is not None)
    for account in ended:
        write_report(report_path(home, model, account.sequence), account, partial(_read, home))
    return ended


def _read(home: Home, model: Model, version: Version) -> Candidate:
    return read_candidate(home.versions(), home.trust(), model, version)


def rollout_of(
    found: Sequence[Account], model: Model, *, version: Version | None = None, sequence: int | None = None
) -> Account:
    """The latest rollout of a version (of any by default), or the one that an entry started. Raises NotFound."""
    of_version = [account for account in found if version in (None, account.version)]
    chosen = [account for account in of_version if sequence in (None, account.sequence)]
    if chosen:
        return chosen[-1]
    asked = f"entry {sequence} starts no rollout" if sequence is not None else f"version {version} had no rollout"
    there = ", ".join(f"{account.sequence} (version {account.version})" for account in found[-10:]) or "none"
    asked = asked if found or version or sequence else "there was no rollout"
    raise NotFound(f"{model}: {asked}; rollouts were started by entries {there}; `geometry history` shows them")


def _covered(path: Path) -> int:
    """The last entry that a report tells of; 0 where there is none."""
    try:
        with path.open(encoding="utf-8") as file:
            found = _COVERED.search(file.read(_HEAD))
    except (FileNotFoundError, UnicodeDecodeError):
        return 0
    return int(found[1]) if found else 0
