"""Brings a backup back: proved before one byte is placed, nothing overwritten, and done again after a kill.

Versions come first and each journal last, in one step, ending in a `restored` entry; what was asked before it is never
taken. What is there already and is the same stays; what is there and is another makes it refuse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from registry.domain.errors import Conflict, Refused
from registry.domain.journal import NO_ANCHOR, Anchor, Entry, Kind, restoration, seal
from registry.domain.policy import POLICY
from registry.domain.version import Model
from registry.store import durable
from registry.store.backup import Backup, read_backup
from registry.store.files import read_regular
from registry.store.home import Home
from registry.store.keys import TRUST
from registry.store.versions import LOCK

_LARGE = 1 << 32


@dataclass(frozen=True)
class Restored:
    """What came back. kept: files of the installation that are others than the backup's and stay as they are."""

    backup: Backup
    kept: tuple[Path, ...]


def restore(
    home: Home, source: Path, *, anchors: Mapping[Model, Anchor], by: str, reason: str, now: datetime
) -> Restored:
    """Restore the backup `source` into `home`, whose trust list counts where it has one.

    anchors: entries last acted upon here, which the `restored` entries accept. Raises Refused when a journal or version
    here is another one, Conflict while a controller runs; NotVerified, JournalDamaged or InvalidDocument name what is
    wrong in the backup.
    """
    trust = home.trust() if (home.keys / TRUST).exists() else None
    backup = read_backup(source, trust)
    durable.make_directory(home.run)
    try:
        with durable.locked(home.lock, wait=False):
            waiting = [model for model in backup.entries if not _is_restored(home, backup, model)]
            _refuse_others(home, backup)
            kept = _place_settings(home, source)
            _place_versions(home, backup)
            for model in waiting:
                anchor = anchors.get(model, NO_ANCHOR)
                draft = restoration(backup.entries[model], anchor, backup=backup.digest, by=by, reason=reason)
                _place_journal(
                    home, model, (*backup.entries[model], seal(draft, now=now, head=backup.entries[model][-1]))
                )
    except BlockingIOError:
        raise Conflict(f"{home.root}: a controller runs here; stop it with `geometry local down` first") from None
    return Restored(backup, kept)


def _is_restored(home: Home, backup: Backup, model: Model) -> bool:
    """Whether the journal here is the backup's and what followed; raises Refused when it is another one."""
    found, wanted = home.journal_of(model).read(), backup.entries[model]
    if not found:
        return False
    after = found[len(wanted) : len(wanted) + 1]
    if found[: len(wanted)] == wanted and after and _restores(after[0], backup):
        return True
    raise Refused(
        f"{home.journal / model}: has a journal of {len(found)} entries, and a restore overwrites nothing; "
        f"move it away, or restore into another folder with --home"
    )


def _restores(entry: Entry, backup: Backup) -> bool:
    return entry.kind is Kind.RESTORED and entry.data["backup"] == backup.digest


def _refuse_others(home: Home, backup: Backup) -> None:
    """Raise Refused when a number of the backup is another version here, or lacks something."""
    for model, state in backup.states.items():
        for version in state.versions:
            here, there = home.versions().directory(model, version), backup.version(model, version)
            if here.exists() and _contents(here) != _contents(there):
                raise Refused(f"{here}: is not what the backup has, and a restore overwrites nothing; move it away")


def _contents(directory: Path) -> dict[str, bytes]:
    return {path.name: read_regular(path, limit=_LARGE) for path in sorted(directory.iterdir())}


def _place_settings(home: Home, source: Path) -> tuple[Path, ...]:
    """Trust list and policy where there is none; returns those here that are others."""
    durable.make_directory(home.keys, mode=0o700)
    kept = []
    for path, found in ((home.keys / TRUST, source / TRUST), (home.policy, source / POLICY)):
        if not found.exists():
            continue
        if not path.exists():
            durable.replace(path, found.read_bytes())
        elif path.read_bytes() != found.read_bytes():
            kept.append(path)
    return tuple(kept)


def _place_versions(home: Home, backup: Backup) -> None:
    for model, state in backup.states.items():
        for version in state.versions:
            target = home.versions().directory(model, version)
            durable.make_directory(target.parent)
            with durable.locked(target.parent / LOCK):
                durable.clear_aside_directories(target.parent)
                if not target.exists():
                    durable.place_directory(target, _contents(backup.version(model, version)))


def _place_journal(home: Home, model: Model, entries: tuple[Entry, ...]) -> None:
    """All entries become visible in one step. An empty directory in their place is the same as none."""
    durable.make_directory(home.journal)
    durable.clear_aside_directories(home.journal)
    if (home.journal / model).exists():
        durable.clear_asides(home.journal / model)
    durable.place_directory(home.journal / model, {f"{entry.sequence:06d}.json": entry.content() for entry in entries})
