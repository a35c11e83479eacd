"""Many processes that promote at once, on a real journal, and one controller that answers."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.domain.errors import Conflict
from registry.domain.fold import fold
from registry.domain.journal import Entry, Kind
from registry.domain.policy import Floors, Margin, RolloutPolicy, Step
from registry.domain.state import State
from registry.domain.version import Version
from registry.store.journal import JournalStore
from tests.registry.domain.builders import MODEL, QUICK, Installation, traffic

SCRIPT = Path(__file__).with_name("promote_many.py")
PROCESSES = 8
VERSIONS = tuple(Version(str(number)) for number in range(1, 11))
HASTY = replace(
    QUICK,
    rollout=RolloutPolicy(
        steps=(Step(50, 1),), margins=(Margin(50, 2.0),), beta=0.5, floors=Floors(0.2, 0.2, 0.2, 0.2), warmup=0
    ),
)
"""One step that a few clean answers pass."""

ENDS = (Kind.PROMOTED, Kind.ROLLED_BACK, Kind.ABORTED, Kind.EXPIRED)


class Controller:
    """The controller's loop on a journal of files, over a substrate that obeys at once; a turn is a second."""

    def __init__(self, root: Path) -> None:
        self.journal = JournalStore(root, MODEL)
        self.place = Installation(policy=HASTY, now=datetime.now(UTC))
        self.place.publish(*VERSIONS)

    def turn(self) -> None:
        entries, place = self.journal.read(), self.place
        place.state = fold(MODEL, entries[place.state.head.sequence :], state=place.state)
        place.now += timedelta(seconds=1)
        traffic(place)
        decision = place.decide()
        with suppress(Conflict):  # somebody asked meanwhile: decide again
            self.journal.append(decision.drafts, head=entries[-1] if entries else None, now=place.now)
            place.memory = decision.memory
        place.state = fold(MODEL, self.journal.read()[place.state.head.sequence :], state=place.state)
        place.act()


def race(root: Path, *, times: int, seed: int) -> tuple[tuple[Entry, ...], list[dict[str, object]]]:
    """The journal after all were answered, and what each process saw."""
    controller = Controller(root)
    controller.turn()
    command = [sys.executable, str(SCRIPT), str(root)]
    askers = [
        subprocess.Popen(
            [*command, f"process-{number}", str(seed), str(times)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])},
        )
        for number in range(PROCESSES)
    ]
    try:
        assert [asker.stdout.readline() for asker in askers] == ["ready\n"] * PROCESSES
        for asker in askers:
            asker.stdin.write("go\n")
            asker.stdin.flush()
        while any(asker.poll() is None for asker in askers):
            controller.turn()
        return JournalStore(root, MODEL).read(), [json.loads(asker.stdout.read()) for asker in askers]
    finally:
        for asker in askers:
            asker.kill()
            asker.communicate()


def accepted(entries: Sequence[Entry]) -> list[str]:
    """Requests that started a rollout; none while another one was in progress."""
    running, found = None, []
    for entry in entries:
        if entry.kind is Kind.STARTED:
            assert running is None, f"entry {entry.sequence} starts {entry.data['version']} beside {running}"
            running = entry.data["version"]
            found.append(entry.data["request"])
        if entry.kind in ENDS and running is not None:
            running = None
    return found


def never_two_in_production(entries: Sequence[Entry]) -> None:
    state = State(MODEL)
    for entry in entries:
        state = fold(MODEL, [entry], state=state)
        holders = [found.version for found in state.versions.values() if found.stage == "production"]
        assert holders == ([state.production] if state.production else []), f"after entry {entry.sequence}"


@pytest.mark.parametrize(
    ("times", "wanted"), [(6, 6), pytest.param(125, 100, marks=[pytest.mark.prove, pytest.mark.timeout(900)])]
)
def test_of_many_promotions_at_once_one_is_accepted_and_every_other_is_refused(
    tmp_path: Path, times: int, wanted: int
) -> None:
    entries, told = race(tmp_path, times=times, seed=20260301)
    asked = {name: answer for one in told for name, answer in one["asked"].items()}
    assert len(asked) == PROCESSES * times
    assert set(asked.values()) <= {"started", "refused", "conflict"}
    never_two_in_production(entries)
    started = accepted(entries)
    assert sorted(started) == sorted(name for name, answer in asked.items() if answer == "started")
    assert len(started) >= wanted
    recorded = Counter(entry.data["id"] for entry in entries if entry.kind is Kind.REQUESTED)
    answers = Counter(entry.data["request"] for entry in entries if entry.data.get("request"))
    assert recorded == answers == Counter({name for name, answer in asked.items() if answer != "conflict"})
    assert sum(entry.kind is Kind.PROMOTED for entry in entries) >= len(started) - 1
    print(
        f"{len(asked)} promotions by {PROCESSES} processes: {Counter(asked.values())}, {len(entries)} entries, "
        f"{sum(one['looks'] for one in told)} looks at the journal"
    )
