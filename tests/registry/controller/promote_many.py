"""One of several who ask for promotions of the same model; usage: promote_many.py ROOT NAME SEED TIMES.

Prints a line when it is ready, begins when it reads one, and ends with what became of its requests as JSON. At every
look at the journal at most one version is in production, or it ends with an error.
"""

import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from registry.domain.errors import Conflict
from registry.domain.fold import fold
from registry.domain.stages import Stage
from registry.domain.state import State, release
from registry.domain.version import DEFAULT_MODEL
from registry.store.filing import file_request
from registry.store.journal import JournalStore

LOOK = 0.01
"""Seconds between two looks, so that the one who answers has the processor as well."""


class Reader:
    """The journal as one reader sees it, look by look."""

    def __init__(self, root: Path) -> None:
        self.journal = JournalStore(root, DEFAULT_MODEL)
        self.state = State(DEFAULT_MODEL)
        self.answers: dict[str, str] = {}
        self.looks = 0

    def look(self) -> None:
        new = self.journal.read()[self.state.head.sequence :]
        self.state = fold(DEFAULT_MODEL, new, state=self.state)
        self.answers |= {entry.data["request"]: entry.kind.value for entry in new if entry.data.get("request")}
        self.looks += 1
        holders = [found.version for found in self.state.versions.values() if found.stage is Stage.PRODUCTION]
        assert holders == ([self.state.production] if self.state.production else []), holders
        assert sum(release(self.state).weights.values()) in (0, 100)


def main(root: Path, name: str, seed: int, times: int) -> None:
    """Ask so many times, each time when the last one was answered."""
    chance, reader, asked = random.Random(f"{seed} {name}"), Reader(root), {}
    reader.look()
    for number in range(times):
        version = chance.choice(tuple(reader.state.versions))
        request = {"id": f"{name}-{number}", "action": "promote", "version": version, "to": "production"}
        try:
            file_request(reader.journal, request, by=name, now=datetime.now(UTC))
        except Conflict:
            asked[request["id"]] = "conflict"
            continue
        while request["id"] not in reader.answers:
            time.sleep(LOOK)
            reader.look()
        asked[request["id"]] = reader.answers[request["id"]]
    print(json.dumps({"asked": asked, "looks": reader.looks}))


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
