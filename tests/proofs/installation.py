"""An installation on the fake cluster: real store, real journal, real controllers, and whoever asks things of them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from unittest.mock import patch

from registry.controller import loop
from registry.controller.loop import Controller
from registry.domain.errors import RegistryError
from registry.domain.evaluation import parse_evaluation
from registry.domain.journal import parse_entry
from registry.domain.policy import Policy
from registry.domain.state import State, release
from registry.domain.version import Model
from registry.store import candidate, journal
from registry.store.home import Home
from registry.store.policy import load_policy
from registry.store.versions import is_stripped
from tests.proofs.cluster import Cluster
from tests.proofs.disk import hooked
from tests.proofs.machine import Killed, Machine
from tests.proofs.oracle import Oracle, Violation
from tests.proofs.substrate import FakeProbe, FakeProjector, FakeSubstrate, SilentOutcomes, mirrors

SHAPES, OTHER = Model("shapes"), Model("other")
USER = "user"
LONGEST = 300
"""Rounds within which everything rests, whatever happened."""

PATIENCE = 10
"""Rounds at rest after which a wish whose moment does not come is given up: it went another way."""

TURNS = 12
"""Turns that follow each other at once when something was recorded; then others have a chance."""


When = Callable[["Installation"], bool]


@dataclass(frozen=True)
class Wish:
    """What a person or a training does. when: the first moment for it. done: whether it happened, however its process
    ended; until then it is done again. alone: no controller runs until then, it must be the first of all.
    """

    name: str
    do: Callable[["Installation"], None]
    when: When = lambda _: True
    done: When = lambda _: False
    alone: bool = False


@dataclass
class Installation:
    """Home, cluster and everybody who acts."""

    home: Home
    cluster: Cluster
    machine: Machine
    wishes: tuple[Wish, ...]
    controllers: tuple[str, ...] = ("controller",)
    wished: int = 0
    restarts: int = 0
    begun: int = 0
    held_up: bool = False
    idle: int = 0
    trouble: list[str] = field(default_factory=list)
    running: dict[str, Controller] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.models: tuple[Model, ...] = tuple(sorted({SHAPES, *self.home.journals(), *self.home.versions().models()}))
        self.oracle = Oracle(self.home, self.cluster, self.models, racing=len(self.controllers) > 1)
        self.machine.after = self.oracle.after
        self.begun = self.cluster.round
        for name in self.controllers:
            self._start(name)

    def state(self, model: Model = SHAPES) -> State:
        return self.oracle.state(model)

    def has(self, request: str, model: Model = SHAPES) -> bool:
        """Whether a request was filed."""
        return any(entry.data.get("id") == request for entry in self.oracle.entries(model))

    def kinds(self, model: Model = SHAPES) -> list[str]:
        return [entry.kind.value for entry in self.oracle.entries(model)]

    def _start(self, name: str) -> None:
        """A controller that knows nothing but what outlived the last one."""
        substrate = FakeSubstrate(self.cluster, self.machine)
        self.running[name] = Controller(
            self.home,
            substrate,
            FakeProjector(self.machine),
            probe=FakeProbe(self.machine),
            now=lambda: self.cluster.now,
            scrape=substrate.scrape,
            outcomes=SilentOutcomes(),
        )

    def control(self, name: str) -> None:
        """Turns of one controller, as its loop takes them, until nothing more is recorded; again when it was killed."""
        if self.wished < len(self.wishes) and self.wishes[self.wished].alone:
            return
        try:
            for _ in range(TURNS):
                if not self.running[name].turn():
                    return
        except Violation:
            raise
        except Exception as error:  # the loop tells it and tries again
            self.trouble.append(f"{name}: {error!r}")
        except Killed:
            self.restarts += 1
            self.revive(name)
            self._start(name)

    def ask(self) -> None:
        """The next wish, when its moment came; whoever was killed or got an error does it again, if need be."""
        if self.wished == len(self.wishes):
            return
        wish = self.wishes[self.wished]
        if not wish.when(self):
            return
        try:
            if not wish.done(self):
                wish.do(self)
            self.wished += 1
        except (RegistryError, OSError) as error:
            self.trouble.append(f"{USER}: {error!r}")
        except Killed:
            self.revive(USER)

    def revive(self, actor: str) -> None:
        self.calls.close_of(actor)
        self.machine.revive(actor)

    def pass_time(self) -> None:
        self.machine.round += 1
        self.cluster.pass_time()
        self.oracle.look()

    def _comes_to_rest(self) -> bool:
        """Nothing is asked, in progress, or other than released; no file of a deleted version is left."""
        if self.held_up or not all(self._rests(model) for model in self.models):
            self.idle = 0
            return False
        self.idle += 1
        return self.wished == len(self.wishes) or self.idle > PATIENCE

    def _rests(self, model: Model) -> bool:
        state, service = self.state(model), self.cluster.service(model)
        if state.rollout or state.guarding or state.requests or service.applying or service.later:
            return False
        deleted = [found.version for found in state.versions.values() if found.deleted]
        if not all(is_stripped(self.home.versions().directory(model, version)) for version in deleted):
            return False
        wanted = release(state)
        pods = {revision.name for revision in wanted.live}
        pods |= {f"staging-{wanted.staging.name}"} if wanted.staging else set()
        routed = service.told == service.applied == wanted.weights and service.mirrored == mirrors(wanted)
        return routed and service.pods.keys() == pods and service.anchor == wanted.anchor

    def run(self, rounds: AbstractContextManager[Callable[[], None]] | None = None) -> None:
        """Rounds until everything rests and nothing happened in one. rounds: what happens in one."""
        quiet = False
        with self.hooked(), rounds or nullcontext(self._everybody) as happen:
            while not (self._comes_to_rest() and quiet):
                if self.cluster.round - self.begun > LONGEST:
                    raise Violation(f"no rest after {LONGEST} rounds; {self.trouble[-3:]}")
                before = self._happened()
                happen()
                self.pass_time()
                quiet = before == self._happened()
            self.oracle.finish()

    def _happened(self) -> tuple[object, ...]:
        """What was recorded, and whose turn ended early."""
        return self.restarts, len(self.trouble), *(self.oracle.entries(model) for model in self.models)

    def _everybody(self) -> None:
        for name, act in self.actors.items():
            self.machine.actor = name
            act()

    @property
    def actors(self) -> dict[str, Callable[[], None]]:
        """What everybody does in a round."""
        controls: dict[str, Callable[[], None]] = {name: partial(self.control, name) for name in self.controllers}
        return {USER: self.ask, **controls}

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """The calls of this process are the installation's."""
        logging.disable(logging.CRITICAL)
        # Parsing the same bytes in every turn of every execution is half of the time.
        with (
            patch.object(loop, "load_policy", _policy),
            patch.object(candidate, "parse_evaluation", _evaluation),
            patch.object(journal, "parse_entry", _entry),
        ):
            try:
                with hooked(self.machine) as self.calls:
                    yield
            finally:
                logging.disable(logging.NOTSET)


def _policy(path: Path) -> Policy:
    return _parsed(path, path.read_text())


@lru_cache
def _parsed(path: Path, text: str) -> Policy:
    return load_policy(path)


_evaluation = lru_cache(parse_evaluation)
_entry = lru_cache(4096)(parse_entry)
