"""Entries of a model's journal: what was asked, by whom, what was decided, why, on which evidence.

Each entry names the sha256 of the bytes before it, so that no entry can be altered, dropped or slipped in unseen.
The state of a model is a fold of these entries (`state.py`); files and compare-and-swap are in `registry.store`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from registry.domain.documents import Fields, canonical_bytes, moment, sha256, timestamp
from registry.domain.errors import JournalDamaged

GENESIS = "0" * 64


class Kind(StrEnum):
    """What an entry says. The fields of `data` per kind are in `state.py`, beside the fold that reads them."""

    PUBLISHED = "published"
    REQUESTED = "requested"
    REFUSED = "refused"
    APPROVED = "approved"
    STAGED = "staged"
    STARTED = "started"
    STEPPED = "stepped"
    EVIDENCE = "evidence"
    VERDICT = "verdict"
    WITHHELD = "withheld"
    PAUSED = "paused"
    RESUMED = "resumed"
    ABORTED = "aborted"
    EXPIRED = "expired"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ARCHIVED = "archived"
    DELETED = "deleted"
    LABELLED = "labelled"
    DRIFT = "drift"
    ADOPTED = "adopted"
    RESTORED = "restored"


@dataclass(frozen=True)
class Anchor:
    """Sequence and sha256 of a journal entry, kept outside of the journal: the last one acted upon.

    (0, GENESIS) stands for none.
    """

    sequence: int
    sha256: str


NO_ANCHOR = Anchor(0, GENESIS)


@dataclass(frozen=True)
class Draft:
    """An entry that is not recorded yet: the store adds sequence, time and previous."""

    kind: Kind
    actor: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One recorded entry. `sequence` counts from 1; `previous`: sha256 of the one before (GENESIS for the first)."""

    sequence: int
    time: datetime
    actor: str
    kind: Kind
    data: Mapping[str, Any]
    previous: str

    def content(self) -> bytes:
        """The bytes of the entry's file."""
        return canonical_bytes(
            {
                "sequence": self.sequence,
                "time": timestamp(self.time),
                "actor": self.actor,
                "kind": self.kind.value,
                "data": dict(self.data),
                "previous": self.previous,
            }
        )

    @cached_property
    def anchor(self) -> Anchor:
        """Sequence and sha256 of this entry's bytes."""
        return Anchor(self.sequence, sha256(self.content()))


def seal(draft: Draft, *, now: datetime, head: Entry | None) -> Entry:
    """The entry that follows `head`. Its time, cut to milliseconds, is never before the head's."""
    now = moment(timestamp(now))
    if head is None:
        return Entry(1, now, draft.actor, draft.kind, draft.data, GENESIS)
    return Entry(head.sequence + 1, max(now, head.time), draft.actor, draft.kind, draft.data, head.anchor.sha256)


def parse_entry(content: bytes, *, name: str) -> Entry:
    """Read one entry's file (`name` in messages); raises InvalidDocument (schema) or JournalDamaged (unknown kind)."""
    fields = Fields.parse(content, f"journal entry {name}")
    kind = fields.text("kind")
    if kind not in Kind.__members__.values():
        raise JournalDamaged(f"journal entry {name}: kind {kind!r} is unknown, wanted one of {', '.join(Kind)}")
    data = fields.object("data")
    return Entry(
        sequence=fields.integer("sequence", minimum=1),
        time=moment(fields.text("time")),
        actor=fields.text("actor"),
        kind=Kind(kind),
        data=data.document,
        previous=fields.text("previous"),
    )


def verify_chain(entries: Sequence[Entry], *, after: Anchor = NO_ANCHOR) -> Anchor:
    """Check that `entries` continue the chain that ended at `after`; return the new end.

    Raises JournalDamaged that names the entry.
    """
    for entry in entries:
        if entry.sequence != after.sequence + 1:
            raise JournalDamaged(f"journal entry {after.sequence + 1}: missing; the next one found is {entry.sequence}")
        if entry.previous != after.sha256:
            raise JournalDamaged(
                f"journal entry {after.sequence}: was altered; entry {entry.sequence} names {entry.previous[:12]}… "
                f"as its sha256, found {after.sha256[:12]}…"
            )
        after = entry.anchor
    return after


REMEDY = "restore it from a backup, or go on from what there is with `geometry adopt --reason`"
"""The ways on from a journal that is not the one acted upon."""


def check_anchor(entries: Sequence[Entry], anchor: Anchor) -> None:
    """Check that a verified journal still holds the entry that was acted upon last.

    Raises JournalDamaged when the journal is missing, shorter, or another one at the anchor's sequence, unless an
    `adopted` or `restored` entry says that this very anchor is known to be another journal's.
    """
    if anchor.sequence == 0 or any(_adopts(entry, anchor) for entry in entries):
        return
    wanted = f"entry {anchor.sequence} with sha256 {anchor.sha256[:12]}, which was acted upon"
    if len(entries) < anchor.sequence:
        found = f"only {len(entries)} entries" if entries else "no entries"
        raise JournalDamaged(f"journal: found {found}, wanted {wanted}; {REMEDY}")
    found = entries[anchor.sequence - 1].anchor.sha256
    if found != anchor.sha256:
        raise JournalDamaged(
            f"journal: found entry {anchor.sequence} with sha256 {found[:12]}, wanted {wanted}; {REMEDY}"
        )


def _adopts(entry: Entry, anchor: Anchor) -> bool:
    return entry.kind in (Kind.ADOPTED, Kind.RESTORED) and entry.data["anchor"] == _document(anchor)


def _document(anchor: Anchor) -> dict[str, Any]:
    return {"sequence": anchor.sequence, "sha256": anchor.sha256}


def adoption(entries: Sequence[Entry], anchor: Anchor, *, request: str, by: str, reason: str) -> Draft:
    """The entry with which a journal is gone on from although it is not the one that was acted upon."""
    data = {"request": request, "reason": reason, "anchor": _document(anchor), "entries": len(entries)}
    return Draft(Kind.ADOPTED, by, data)


def restoration(entries: Sequence[Entry], anchor: Anchor, *, backup: str, by: str, reason: str) -> Draft:
    """The entry that ends a journal taken from a backup. anchor: what was acted upon last where it is restored to.

    backup: the backup's digest.
    """
    data = {"backup": backup, "reason": reason, "anchor": _document(anchor), "entries": len(entries)}
    return Draft(Kind.RESTORED, by, data)
