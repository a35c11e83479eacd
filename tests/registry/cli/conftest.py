"""The `geometry` command inside this process, on a home of its own; and a controller that answers what it asks."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.cli import main
from registry.cli.options import now
from registry.controller.__main__ import take_lock
from registry.controller.labelling import next_labels
from registry.domain.answers import Answers
from registry.domain.decision import decide
from registry.domain.errors import Conflict
from registry.domain.fold import fold
from registry.domain.observation import Counters, Latency, Observation, ObservedRevision, ObservedRoute
from registry.domain.signals import LATENCY_EDGES
from registry.domain.state import State, release
from registry.domain.turn import SETTLING, Memory, Turn
from registry.domain.version import Model, Version
from registry.store.candidate import read_candidate
from registry.store.home import Home
from registry.store.policy import load_policy
from registry.store.view import write_view

SHAPES = Model("shapes")


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit code, data and progress."""

    code: int
    output: str
    told: str


class Deciding:
    """A controller without a substrate: it decides and records, and what it released is there at once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.answers: dict[Version, Answers] = {}
        self.counting: dict[Version, tuple[int, int, int]] = {}
        """Per turn and version: good answers, those of low confidence, and errors. Without any, nothing is judged."""
        self._turns, self._memory = 0, Memory()
        self._ended = threading.Event()
        self._deciding = threading.Lock()
        self.pause, self.go_on = self._deciding.acquire, self._deciding.release
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Deciding":
        self._lock = take_lock(self._home)
        self.turn()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._lock)

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            with self._deciding, suppress(Conflict):  # somebody filed a request meanwhile: the next turn decides again
                self.turn()

    def turn(self) -> None:
        """One turn, as the controller takes it."""
        journal, store, trust = self._home.journal_of(SHAPES), self._home.versions(), self._home.trust()
        entries = journal.read()
        state = fold(SHAPES, entries)
        self._turns += 1
        observation, spool = self._observation(state), self._home.labels_of(SHAPES)
        turn = Turn(
            state=state,
            observation=observation,
            now=now(),
            policy=load_policy(self._home.policy),
            found={
                name: store.verify(SHAPES, name, trust).digest
                for name in store.versions(SHAPES)
                if name not in state.versions
            },
            candidates={name: read_candidate(store, trust, SHAPES, name) for name in state.versions},
            labels=next_labels(spool),
            memory=self._memory,
        )
        decision = decide(turn)
        if decision.drafts:
            journal.append(decision.drafts, head=entries[-1] if entries else None, now=now())
        self._memory = decision.memory
        if turn.labels is not None:
            spool.remove(turn.labels)
        for version in fold(SHAPES, journal.read()).versions.values():
            if version.deleted:
                store.strip(SHAPES, version.version)
        write_view(self._home, state, observation, decision.verdict, now=now())

    def _observation(self, state: State) -> Observation:
        wanted = release(state)
        running = [revision for revision in (wanted.stable, *wanted.canaries, wanted.staging) if revision]
        return Observation(
            revisions={found.version: ObservedRevision(found.version, True, found.digest, 0) for found in running},
            route=ObservedRoute(wanted.weights, now() - SETTLING if self.counting else now(), None),
            counters={found.version: self._counters(found.version) for found in running if self.counting},
            answers=self.answers,
            latency={wanted.staging.version: Latency(100, 0, 0.01)} if wanted.staging else {},
        )

    def _counters(self, version: Version) -> Counters:
        good, low, errors = (self._turns * count for count in self.counting.get(version, (0, 0, 0)))
        return Counters(good, 0, errors, errors, "first", (good,) * len(LATENCY_EDGES), good, low)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty installation, which commands find as a user's do."""
    monkeypatch.setenv("GEOMETRY_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def deciding() -> Callable[[Home], Deciding]:
    return Deciding


@pytest.fixture
def geometry(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command as the console script does."""

    def ran(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["geometry", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        found = capsys.readouterr()
        return Ran(ended.value.code or 0, found.out, found.err)

    return ran
