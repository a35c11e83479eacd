"""One execution of a path, and what it must come to."""

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.domain.version import Model
from tests.proofs.installation import Installation
from tests.proofs.machine import Fault, Machine, Point
from tests.proofs.oracle import Violation
from tests.proofs.schedule import Boundary, Scheduler
from tests.proofs.starts import Starts
from tests.proofs.ways import WAYS, Way

TROUBLED = 300
"""Random faults and moves happen at the first points only, so that everything comes to rest."""

SHOWN = 25
"""Effects that are told before a violation."""

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""Where files cost nothing; None: wherever temporary files are."""

Rest = Mapping[Model, Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """What happens in an execution. faults: (number of a point, what goes wrong there). moves: (number of a boundary,
    who runs on). seed: faults and moves are drawn instead. broken: what fails all the time. controllers: one, or two
    that race.
    """

    way: str
    faults: tuple[tuple[int, Fault], ...] = ()
    moves: tuple[tuple[int, str], ...] = ()
    seed: int | None = None
    broken: tuple[str, ...] = ()
    controllers: int = 1

    @property
    def command(self) -> str:
        """Repeats this execution and prints it."""
        options = [f"--controllers {self.controllers}"] if self.controllers != 1 else []
        options += [f"--seed {self.seed}"] if self.seed is not None else []
        options += [f"--broken {verb}" for verb in self.broken]
        options += [f"--fault {at}:{fault}" for at, fault in self.faults]
        options += [f"--move {at}:{who}" for at, who in self.moves]
        return " ".join([".venv/bin/python -m tests.proofs", repr(self.way), *options])


@dataclass(frozen=True)
class Outcome:
    """How an execution went. rest: what it came to. as_unkilled: whether that is where an undisturbed one goes."""

    points: tuple[Point, ...]
    boundaries: tuple[Boundary, ...]
    rest: Rest
    kinds: tuple[str, ...]
    struck: int
    as_unkilled: bool = True


class Proof:
    """Executions below `root`, a directory in memory where there is one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._starts = Starts(root / "starts")
        self._undisturbed: dict[Case, Outcome] = {}

    def undisturbed(self, way: str) -> Outcome:
        """The execution in which nothing goes wrong: it has the points, and the rest to compare with."""
        return self._once(Case(way))

    def undisturbed_race(self, way: str) -> Outcome:
        """Two controllers, each of which is let do what it began: it has the boundaries."""
        return self._once(Case(way, controllers=2))

    def _once(self, case: Case) -> Outcome:
        if case not in self._undisturbed:
            self._undisturbed[case] = self._execute(case)
        return self._undisturbed[case]

    def execute(self, case: Case) -> Outcome:
        """Raises Violation, with the last effects and the command that repeats it."""
        return self._judged(case, self._execute(case))

    def _execute(self, case: Case) -> Outcome:
        root, way = self._root / "execution", WAYS[case.way]
        home, cluster = self._starts[way.start].copy(root)
        way.prepare(root, cluster)
        cluster.traffic, cluster.behaviours = way.traffic, dict(way.behaviours)
        dice = None if case.seed is None else random.Random(case.seed)
        machine = Machine(_strikes(case, dice))
        names = ("controller",) if case.controllers == 1 else ("a", "b")
        try:
            place = Installation(home, cluster, machine, way.wishes, names)
            boundaries = _run(place, case, dice)
            rest = {model: _rest(place, model, way) for model in place.models}
        except Violation as violation:
            raise Violation(_told(case, machine, violation)) from violation
        finally:
            shutil.rmtree(root)
        return Outcome(tuple(machine.points), boundaries, rest, tuple(place.kinds()), len(machine.struck))

    def _judged(self, case: Case, outcome: Outcome) -> Outcome:
        """Every model is where it goes undisturbed, or its old production serves."""
        wanted, way = self.undisturbed(case.way).rest, WAYS[case.way]
        start = self._starts[way.start]
        others = [model for model, rest in outcome.rest.items() if rest != wanted[model]]
        for model in others:
            old = start.production.get(model)
            if outcome.rest[model]["production"] not in {old, way.also}:
                raise Violation(
                    f"{case.way}: {model} comes to rest as {outcome.rest[model]}, undisturbed as {wanted[model]}, "
                    f"before it was {old}\nagain with: {case.command}"
                )
        return Outcome(outcome.points, outcome.boundaries, outcome.rest, outcome.kinds, outcome.struck, not others)


def _rest(place: Installation, model: Model, way: Way) -> Mapping[str, Any]:
    """What an installation at rest is compared by."""
    state, service, store = place.state(model), place.cluster.service(model), place.home.versions()
    return {
        "production": state.production,
        "previous": state.previous,
        "stages": {version: found.stage.value for version, found in state.versions.items()},
        "files": {
            version: sorted(path.name for path in store.directory(model, version).iterdir())
            for version in state.versions
        },
        "weights": dict(service.told),
        "pods": sorted(service.pods),
        "left": way.left(place.home),
    }


def _run(place: Installation, case: Case, dice: random.Random | None) -> tuple[Boundary, ...]:
    if case.controllers == 1:
        place.run()
        return ()
    moves = dict(case.moves)
    scheduler = Scheduler(place, (lambda it: moves.get(it.index)) if dice is None else _moves(dice))
    place.run(scheduler)
    return tuple(scheduler.boundaries)


def _strikes(case: Case, dice: random.Random | None) -> Callable[[Point], Fault | None]:
    if dice is None:
        faults = dict(case.faults)
        return lambda point: Fault.FAIL if point.verb in case.broken else faults.get(point.index)
    often = dice.choice((0, 0.01, 0.04))

    def strike(point: Point) -> Fault | None:
        if point.index < TROUBLED and dice.random() < often:
            return dice.choice(sorted(point.faults))
        return None

    return strike


def _moves(dice: random.Random) -> Callable[[Boundary], str | None]:
    often = dice.choice((0.01, 0.05, 0.2))
    return lambda it: dice.choice(it.moves) if it.index < TROUBLED and dice.random() < often else None


def _told(case: Case, machine: Machine, violation: Violation) -> str:
    struck = {point.index: fault for point, fault in machine.struck}
    lines = [f"{point}{f'   <-- {struck[point.index]}' if point.index in struck else ''}" for point in machine.points]
    return "\n".join([f"{case.way}: {violation}", *lines[-SHOWN:], f"again with: {case.command}"])
