"""Backups of an installation: one directory each, whole or absent, proved when written and again before it is used.

    <to>/2026-03-01T09-30-00.125Z/
        backup.json                     what it holds: heads of the journals, anchors, every file with its sha256
        journal/<model>.jsonl           the entries' bytes, one a line
        models/<model>/<version>/       versions that the journal names, as they are
        trust.json, policy.yaml         never a private key

The journal's verified head comes first and then the versions it names, so that writers need not wait.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from registry.domain.documents import Fields, canonical_bytes, moment, sha256, timestamp
from registry.domain.errors import InvalidDocument, JournalDamaged, NotFound, NotVerified
from registry.domain.fold import fold
from registry.domain.journal import Anchor, Entry, check_anchor, parse_entry, verify_chain
from registry.domain.manifest import MANIFEST, SIGNATURE, FileEntry
from registry.domain.policy import POLICY
from registry.domain.state import State
from registry.domain.version import Model, Version, model_name
from registry.store import durable
from registry.store.files import check_file, read_regular
from registry.store.home import Home
from registry.store.keys import TRUST, Trust, load_trust
from registry.store.versions import verify_directory, verify_manifest

CONTENTS = "backup.json"
SCHEMA = 1
JOURNAL, VERSIONS = "journal", "models"
TRIES = 5
"""Times that a version may be deleted while it is copied before a backup gives up."""

LOCK = ".lock"
"""Held by whoever writes into a directory of backups."""
_LARGE = 1 << 32


@dataclass(frozen=True)
class Backup:
    """A backup that was proved. digest: sha256 of its `backup.json`. anchors: as they were when it was begun."""

    directory: Path
    digest: str
    created: datetime
    entries: Mapping[Model, tuple[Entry, ...]]
    states: Mapping[Model, State]
    anchors: Mapping[Model, Anchor]

    def version(self, model: Model, version: Version) -> Path:
        """Where a version lies in it."""
        return self.directory / VERSIONS / model / version


def write_backup(home: Home, to: Path, *, anchors: Mapping[Model, Anchor], now: datetime) -> Backup:
    """Back up every model of `home` into a new directory of `to`, and prove it before it gets its name.

    anchors: read before this is called, so that no journal can be behind them. Raises JournalDamaged, NotVerified or
    NotFound when what is there does not verify, Conflict when the name is taken, and OSError; nothing is left then.
    """
    target = to / timestamp(now).replace(":", "-")
    durable.make_directory(to)
    with durable.locked(to / LOCK):
        durable.clear_aside_directories(to)
        for _ in range(TRIES):
            entries = journals(home)
            try:
                return place_backup(target, contents(home, entries, anchors=anchors, now=now), home.trust())
            except (NotVerified, NotFound):
                if all(home.journal_of(model).read() == found for model, found in entries.items()):
                    raise  # nothing was deleted meanwhile: it is damage
    raise NotVerified(f"{home.store}: versions were deleted faster than they could be copied; back up again later")


def place_backup(target: Path, files: Iterable[tuple[str, bytes]], trust: Trust | None = None) -> Backup:
    """Write a backup's files, prove it, and give it its name. trust: as `read_backup` takes it."""
    with durable.directory_aside(target) as aside:
        for name, content in files:
            path = aside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.write_new(path, content)
        proved = read_backup(aside, trust)
    return Backup(target, proved.digest, proved.created, proved.entries, proved.states, proved.anchors)


def journals(home: Home) -> Mapping[Model, tuple[Entry, ...]]:
    """The verified journals of an installation, by model."""
    return {model: found for model in home.journals() if (found := home.journal_of(model).read())}


def contents(
    home: Home, entries: Mapping[Model, tuple[Entry, ...]], *, anchors: Mapping[Model, Anchor], now: datetime
) -> Iterator[tuple[str, bytes]]:
    """The files of a backup, one after another, what it holds as the last. Raises NotVerified, NotFound, OSError."""
    listed: list[FileEntry] = []
    for name, content in _files(home, entries):
        listed.append(FileEntry(name, len(content), sha256(content)))
        yield name, content
    described = {
        "schema": SCHEMA,
        "created": timestamp(now),
        "journals": {model: _document(found[-1].anchor) for model, found in entries.items()},
        "anchors": {model: _document(anchor) for model, anchor in anchors.items() if model in entries},
        "files": [{"path": entry.path, "size": entry.size, "sha256": entry.sha256} for entry in listed],
    }
    yield CONTENTS, canonical_bytes(described)


def _files(home: Home, entries: Mapping[Model, tuple[Entry, ...]]) -> Iterator[tuple[str, bytes]]:
    yield TRUST, home.trust().content()
    if home.policy.exists():
        yield POLICY, home.policy.read_bytes()
    for model, found in entries.items():
        yield f"{JOURNAL}/{model}.jsonl", b"".join(entry.content() for entry in found)
        for version, known in fold(model, found).versions.items():
            directory = home.versions().directory(model, version)
            yield from _version(directory, f"{VERSIONS}/{model}/{version}", stripped=known.deleted)


def _version(directory: Path, name: str, *, stripped: bool) -> Iterator[tuple[str, bytes]]:
    """stripped: what stays of a deleted one. Raises NotVerified for whatever is no regular file."""
    if not directory.is_dir():
        raise NotVerified(f"{directory}: missing, though the journal names it")
    for path in sorted(directory.iterdir()):
        if not stripped or path.name in (MANIFEST, SIGNATURE):
            yield f"{name}/{path.name}", read_regular(path, limit=_LARGE)


def read_backup(directory: Path, trust: Trust | None = None) -> Backup:
    """Prove a backup: its closed list of files, every chain, every version's digest and signature, and the anchors.

    trust: whose signatures count, by default the backup's own list. Raises NotFound, NotVerified, JournalDamaged or
    InvalidDocument that names the file.
    """
    if not (directory / CONTENTS).exists():
        raise NotFound(f"{directory}: no backup, {CONTENTS} is missing; `geometry backup --to DIR` writes one into DIR")
    content = read_regular(directory / CONTENTS, limit=_LARGE)
    fields = Fields.parse(content, str(directory / CONTENTS))
    fields.schema(SCHEMA)
    _check_files(directory, fields)
    heads, anchors = _anchors(fields.object("journals")), _anchors(fields.object("anchors"))
    entries = {model: _entries(directory / JOURNAL / f"{model}.jsonl", head) for model, head in heads.items()}
    for model, anchor in anchors.items():
        check_anchor(entries.get(model, ()), anchor)
    states = {model: fold(model, found) for model, found in entries.items()}
    backup = Backup(directory, sha256(content), moment(fields.text("created")), entries, states, anchors)
    _check_versions(backup, load_trust(directory / TRUST) if trust is None else trust)
    return backup


def _check_files(directory: Path, fields: Fields) -> None:
    listed = [FileEntry(f.text("path"), f.integer("size"), f.text("sha256")) for f in fields.objects("files")]
    found = {
        str((Path(parent) / name).relative_to(directory)) for parent, _, names in os.walk(directory) for name in names
    }
    if surplus := sorted(found - {entry.path for entry in listed} - {CONTENTS}):
        raise NotVerified(f"{directory / surplus[0]}: found a file that {CONTENTS} does not list")
    if missing := sorted({entry.path for entry in listed} - found):
        raise NotVerified(f"{directory / missing[0]}: missing, though {CONTENTS} lists it")
    for entry in listed:
        check_file(directory / entry.path, entry)


def _entries(path: Path, head: Anchor) -> tuple[Entry, ...]:
    """Entries of a journal's file, whose chain ends at `head`; raises JournalDamaged."""
    entries: list[Entry] = []
    for number, line in enumerate(read_regular(path, limit=_LARGE).splitlines(keepends=True), start=1):
        try:
            entry = parse_entry(line, name=str(number))
        except InvalidDocument as error:
            raise JournalDamaged(f"{path}: {error}") from error
        if entry.content() != line:
            raise JournalDamaged(f"{path}: entry {number} was altered: not the bytes that were written")
        entries.append(entry)
    try:
        end = verify_chain(entries)
    except JournalDamaged as error:
        raise JournalDamaged(f"{path}: {error}") from error
    if end != head:
        raise JournalDamaged(f"{path}: ends at entry {len(entries)}, wanted entry {head.sequence} with its sha256")
    return tuple(entries)


def _check_versions(backup: Backup, trust: Trust) -> None:
    """Every version the journals name is there with its digest; of a deleted one what is left."""
    for model, state in backup.states.items():
        for version, known in state.versions.items():
            directory = backup.version(model, version)
            if known.deleted:
                manifest = verify_manifest(directory, trust)
            else:
                manifest = verify_directory(directory, trust).manifest
            if manifest.digest != known.digest:
                wanted = f"{known.digest[:12]} as in the journal"
                raise NotVerified(f"{directory}: found digest {manifest.digest[:12]}, wanted {wanted}")


def _document(anchor: Anchor) -> dict[str, object]:
    return {"sequence": anchor.sequence, "sha256": anchor.sha256}


def _anchors(fields: Fields) -> dict[Model, Anchor]:
    found = {model_name(model): fields.object(model) for model in fields}
    return {model: Anchor(each.integer("sequence"), each.text("sha256")) for model, each in found.items()}


def last_backup(to: Path) -> datetime | None:
    """When the newest backup in `to` was made, as its name says; None when there is none."""
    found = [time for path in to.glob("*T*Z") if (time := _time(path.name)) is not None]
    return max(found, default=None)


def _time(name: str) -> datetime | None:
    day, _, time = name.partition("T")
    try:
        return moment(f"{day}T{time.replace('-', ':')}")
    except InvalidDocument:
        return None
