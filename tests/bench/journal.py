"""What the journal costs when it is long: 10,000 entries, 1,000 versions. `python -m tests.bench.journal [--home DIR]`

read, append and fold are what a running controller or command does again and again; first read, first fold and status
are what a process pays once, when it starts. Exit 1 when a goal is missed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry.domain.fold import fold
from registry.domain.journal import Draft, Entry, Kind, seal
from registry.domain.version import DEFAULT_MODEL, Version
from registry.store.home import Home
from registry.store.keys import generate_key
from tests.bench.statistics import quantile

ENTRIES, VERSIONS = 10_000, 1_000
ROUNDS, STARTS = 500, 7
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHECKS = [{"check": f"check-{number}", "outcome": "pass", "got": "0.987", "want": "≥ 0.95"} for number in range(12)]


@dataclass(frozen=True)
class Row:
    """Seconds of each round, and what p99 must stay below (None: no goal)."""

    name: str
    seconds: Sequence[float]
    goal: float | None = None

    @property
    def met(self) -> bool:
        return self.goal is None or quantile(self.seconds, 0.99) < self.goal

    def __str__(self) -> str:
        middle, worst = (1000 * quantile(self.seconds, share) for share in (0.5, 0.99))
        goal = "" if self.goal is None else f"   goal p99 < {1000 * self.goal:g} ms: {'met' if self.met else 'MISSED'}"
        return f"{self.name:<34}{len(self.seconds):>5}{middle:>10.2f} ms{worst:>10.2f} ms{goal}"


def drafts() -> Iterator[Draft]:
    """Every version published, then one after the other asked for and put into staging, with its checklist."""
    for number in range(1, VERSIONS + 1):
        yield Draft(Kind.PUBLISHED, "controller", {"version": str(number), "digest": f"{number:064x}"})
    for number in range((ENTRIES - VERSIONS) // 2):
        version, request = str(1 + number % VERSIONS), f"{number:032x}"
        yield Draft(Kind.REQUESTED, "ann", asked(version, request))
        yield Draft(Kind.STAGED, "ann", {"version": version, "request": request, "checks": CHECKS})


def asked(version: str, request: str) -> dict[str, str]:
    return {"id": request, "action": "promote", "version": version, "to": "staging", "requestedBy": "ann"}


def build(home: Home) -> None:
    """The journal's files, and a directory per version with real signatures."""
    key, head = generate_key(home.keys), None
    directory = home.journal / DEFAULT_MODEL
    directory.mkdir(parents=True)
    for number, draft in enumerate(drafts()):
        head = seal(draft, now=NOON + timedelta(minutes=number), head=head)
        (directory / f"{head.sequence:06d}.json").write_bytes(head.content())
    for _ in range(VERSIONS):
        home.versions().publish(DEFAULT_MODEL, None, card, key=key, created=NOON)


def card(version: Version) -> dict[str, bytes]:
    return {"card.json": version.encode()}


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def repeated(home: Home) -> Iterator[Row]:
    """A writer, and a reader that saw everything before."""
    writer, reader = home.journal_of(DEFAULT_MODEL), home.journal_of(DEFAULT_MODEL)
    state = fold(DEFAULT_MODEL, reader.read())
    appends, reads, folds = [], [], []
    for number in range(ROUNDS):
        head = writer.read()[-1]
        draft = Draft(Kind.REQUESTED, "ann", asked("1", f"round-{number}"))
        appends.append(timed(lambda head=head, draft=draft: writer.append([draft], head=head, now=head.time)))
        reads.append(timed(reader.read))
        new: tuple[Entry, ...] = reader.read()[state.head.sequence :]
        folds.append(timed(lambda new=new, state=state: fold(DEFAULT_MODEL, new, state=state)))
        state = fold(DEFAULT_MODEL, new, state=state)
    yield Row("read (one entry more)", reads, goal=0.010)
    yield Row("append", appends, goal=0.020)
    yield Row("fold (one entry more)", folds)


def once(home: Home) -> Iterator[Row]:
    """What a new process pays."""
    yield Row("first read, whole chain verified", [timed(home.journal_of(DEFAULT_MODEL).read) for _ in range(STARTS)])
    entries = home.journal_of(DEFAULT_MODEL).read()
    yield Row("first fold", [timed(lambda: fold(DEFAULT_MODEL, entries)) for _ in range(STARTS)])
    yield Row("list versions of the store", [timed(lambda: home.versions().versions(DEFAULT_MODEL)) for _ in range(50)])
    command = [sys.executable, "-c", "from registry.cli import main; main()", "status", "-o", "json"]
    command += ["--home", str(home.root)]
    status = [timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(STARTS)]
    yield Row("geometry status", status)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.journal", description=__doc__)
    parser.add_argument("--home", type=Path, default=None, help="Where to build it (default: a temporary folder).")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.home) as folder:
        home = Home(Path(folder))
        build(home)
        print(f"{ENTRIES} entries, {VERSIONS} versions\n{'':<34}{'n':>5}{'p50':>13}{'p99':>13}")
        met = True
        for rows in (repeated, once):
            for row in rows(home):
                print(row, flush=True)
                met &= row.met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
