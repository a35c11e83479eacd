"""Files of one model's journal: `<root>/<model>/000001.json`, `000002.json` …

An entry is written aside and given its name by an exclusive link; that link is the compare-and-swap: of all who
saw the same head one wins, the others get Conflict, read again and decide again. What an entry means is in the domain.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from registry.domain.errors import Conflict, InvalidDocument, JournalDamaged
from registry.domain.journal import NO_ANCHOR, REMEDY, Draft, Entry, parse_entry, seal, verify_chain
from registry.domain.version import Model, model_name
from registry.store import durable

_DAMAGED = (
    "`geometry doctor` names all that is wrong; move the journal away and `geometry restore` brings a backup back"
)
_NAME = re.compile(r"[0-9]{6,}\.json")


class JournalStore:
    """The journal of `model` under `root`. Not to be shared between threads: give each its own."""

    def __init__(self, root: Path, model: Model) -> None:
        self.directory = root / model_name(model)
        self._entries: tuple[Entry, ...] = ()
        self._clean = False

    @property
    def head(self) -> Entry | None:
        """The last entry seen so far."""
        return self._entries[-1] if self._entries else None

    def read(self) -> tuple[Entry, ...]:
        """All entries, verified: everything the first time, what came since later. Raises JournalDamaged."""
        new = self._later() if self._entries else self._all()
        try:
            verify_chain(new, after=self.head.anchor if self.head else NO_ANCHOR)
        except JournalDamaged as error:
            raise JournalDamaged(f"{self.directory}: {error}; {_DAMAGED}") from error
        self._entries += tuple(new)
        return self._entries

    def lines(self, after: int, *, at_most: int) -> bytes:
        """The bytes of the entries after `after`, one a line, some `at_most` bytes of them; not verified here: whoever
        reads them does. Needs no state of this object."""
        found: list[bytes] = []
        while sum(map(len, found)) < at_most:
            try:
                found.append(self._path(after + len(found) + 1).read_bytes())
            except FileNotFoundError:
                break
        return b"".join(found)

    def append(self, drafts: Sequence[Draft], *, head: Entry | None, now: datetime) -> tuple[Entry, ...]:
        """Record `drafts` after `head`, on disk when this returns; return the new entries.

        Raises Conflict when another writer was first: read again and decide again. Drafts before the one in conflict
        are recorded then. Raises JournalDamaged when `head` is gone, InvalidDocument when `data` is not plain JSON.
        """
        self._prepare()
        if head is not None:
            self._require(head)
        recorded: list[Entry] = []
        for draft in drafts:
            head = self._record(seal(draft, now=now, head=head))
            recorded.append(head)
        return tuple(recorded)

    def _prepare(self) -> None:
        if not self._clean:
            durable.make_directory(self.directory)
            durable.clear_asides(self.directory)
            self._clean = True

    def _record(self, entry: Entry) -> Entry:
        content = entry.content()
        path = self._path(entry.sequence)
        written = parse_entry(content, name=path.name)
        if written.content() != content:
            raise InvalidDocument(f"journal entry {path.name}: data is {entry.data!r}, wanted objects with string keys")
        try:
            durable.link_new(path, content)
        except FileExistsError:
            if path.read_bytes() != content:
                raise Conflict(f"journal entry {path.name}: another writer was first; read the journal again") from None
            durable.sync_directory(self.directory)  # a killed writer's own entry, perhaps not yet on disk
        return written

    def _require(self, head: Entry) -> None:
        path = self._path(head.sequence)
        if not path.exists():
            raise JournalDamaged(f"journal entry {path.name}: was read before and is missing now; {REMEDY}")

    def _all(self) -> list[Entry]:
        if not self.directory.exists():
            return []
        names = [path.name for path in self.directory.iterdir() if _NAME.fullmatch(path.name)]
        return [self._load(sequence) for sequence in sorted(int(name.removesuffix(".json")) for name in names)]

    def _later(self) -> list[Entry]:
        self._require(self._entries[-1])
        found: list[Entry] = []
        sequence = self._entries[-1].sequence + 1
        while self._path(sequence).exists():
            found.append(self._load(sequence))
            sequence += 1
        return found

    def _load(self, sequence: int) -> Entry:
        path = self._path(sequence)
        try:
            content = path.read_bytes()
            entry = parse_entry(content, name=path.name)
        except (OSError, InvalidDocument) as error:
            raise JournalDamaged(f"{path}: torn or altered: {error}; {_DAMAGED}") from error
        if entry.sequence != sequence or entry.content() != content:
            raise JournalDamaged(f"{path}: altered: not the bytes that were written for entry {sequence}; {_DAMAGED}")
        return entry

    def _path(self, sequence: int) -> Path:
        return self.directory / f"{sequence:06d}.json"
