"""One of several writers that append to the same journal; usage: race_append.py ROOT NAME ENTRIES.

Prints a line when it is ready, begins when it reads one.
"""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from registry.domain.errors import Conflict
from registry.domain.journal import Draft, Kind
from registry.domain.version import DEFAULT_MODEL
from registry.store.journal import JournalStore


def main(root: Path, name: str, entries: int) -> None:
    """Append `entries` entries, reading again after each conflict."""
    journal, written = JournalStore(root, DEFAULT_MODEL), 0
    while written < entries:
        journal.read()
        draft = Draft(Kind.REQUESTED, name, {"id": f"{name}-{written}", "action": "promote", "requestedBy": name})
        with suppress(Conflict):
            journal.append([draft], head=journal.head, now=datetime.now(UTC))
            written += 1


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
