"""Files a request in a model's journal, where the controller finds it in its next turn."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from registry.domain.errors import Conflict
from registry.domain.journal import Draft, Entry, Kind
from registry.store.journal import JournalStore

TRIES = 50
"""Writers that may be first before filing gives up; each of them made progress."""


def file_request(journal: JournalStore, request: Mapping[str, Any], *, by: str, now: datetime) -> Entry:
    """Record a `requested` entry after whatever is there; raises Conflict when others are faster every time."""
    draft = Draft(Kind.REQUESTED, by, {**request, "requestedBy": by})
    for _ in range(TRIES):
        entries = journal.read()
        try:
            return journal.append([draft], head=entries[-1] if entries else None, now=now)[0]
        except Conflict:
            continue
    raise Conflict(f"{journal.directory}: other writers were first {TRIES} times; file the request again")
