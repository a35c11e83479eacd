"""Counts every effect that leaves a process, and makes the chosen ones go wrong.

An execution is deterministic, so the number of a point names the same moment in every execution that went the same way
until there: a first execution without faults finds the points, each further one strikes at some of them. To be killed
after an effect is to be killed before the next one, because between two effects nothing leaves the process.
"""

import errno
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")

BROKEN_ROUNDS = 4
"""For so many rounds every effect of the same name fails, once one of them broke."""


class Killed(BaseException):
    """The process that was about to do this is gone: nothing it still does has an effect, and nobody catches this."""


class Fault(StrEnum):
    """What can go wrong at a point."""

    KILL = "kill"  # the process is gone before the effect
    TORN = "torn"  # half of a write is there, and the process gone
    FAIL = "fail"  # an error instead of the effect
    LOST = "lost"  # the effect, and an error instead of the answer
    BROKEN = "broken"  # an error, and again for some rounds
    LATE = "late"  # accepted, and done some rounds later
    REFUSE = "refuse"  # the substrate says no
    SILENT = "silent"  # could not be asked
    LIE = "lie"  # old weights are said to be applied
    FLAP = "flap"  # no revision is ready for a round
    CRASH = "crash"  # the newest revision's process is replaced
    MISSING = "missing"  # no counters of one revision
    STALE = "stale"  # the last counters again
    BACKWARDS = "backwards"  # counters below the last ones, of the same process


DEADLY = frozenset({Fault.KILL, Fault.TORN})
ON_DISK = frozenset({Fault.KILL, Fault.FAIL, Fault.LOST, Fault.BROKEN})
ON_SUBSTRATE = frozenset({Fault.KILL, Fault.FAIL, Fault.LOST, Fault.BROKEN, Fault.LATE, Fault.REFUSE})
ON_LOOKS = frozenset({Fault.SILENT, Fault.LIE, Fault.FLAP, Fault.CRASH})
ON_COUNTERS = frozenset({Fault.MISSING, Fault.STALE, Fault.BACKWARDS})
ON_MEASURING = frozenset({Fault.SILENT})
ON_PROJECTION = frozenset({Fault.KILL, Fault.FAIL, Fault.BROKEN})


@dataclass(frozen=True)
class Point:
    """One moment at which something can go wrong. name: a verb and what it is done to."""

    index: int
    actor: str
    name: str
    faults: frozenset[Fault]

    @property
    def verb(self) -> str:
        return self.name.split()[0]

    def __str__(self) -> str:
        return f"{self.index:4} {self.actor:<10} {self.name}"


class Machine:
    """Where processes run. before: called ahead of every point, where others may be let run. after: behind every effect
    that happened. strikes: what goes wrong at a point, if anything.
    """

    def __init__(self, strikes: Callable[[Point], Fault | None] = lambda _point: None) -> None:
        self._strikes = strikes
        self.actor = ""
        self.round = 0
        self.points: list[Point] = []
        self.struck: list[tuple[Point, Fault]] = []
        self.before: Callable[[Point], None] = lambda _point: None
        self.after: Callable[[Point], None] = lambda _point: None
        self.wait: Callable[[], None] = _nobody_else
        self._over = False
        self._dead: set[str] = set()
        self._lives: dict[str, int] = {}
        self._broken: dict[str, int] = {}

    @property
    def dead(self) -> bool:
        """Whether the process that runs now is gone already: what still runs of it are its `finally` blocks."""
        return self._over or self.actor in self._dead

    @property
    def pid(self) -> int:
        """One for each life of each actor."""
        return 1000 * (1 + sorted({*self._lives, self.actor}).index(self.actor)) + self._lives.get(self.actor, 0)

    def end(self) -> None:
        """Nobody has an effect from here on."""
        self._over = True

    def revive(self, actor: str) -> None:
        """Start the process again."""
        self._dead.discard(actor)
        self._lives[actor] = self._lives.get(actor, 0) + 1

    def point(
        self,
        name: str,
        faults: Collection[Fault],
        act: Callable[[], T],
        *,
        half: Callable[[], object] | None = None,
        special: Mapping[Fault, Callable[[], T]] | None = None,
    ) -> T:
        """Do `act`, unless a fault strikes here. half: what a torn write leaves. special: what faults do instead."""
        if self.dead:
            raise Killed
        point = Point(len(self.points), self.actor, name, frozenset(faults))
        self.points.append(point)
        self.before(point)
        fault = self._fault(point)
        if fault is not None:
            self.struck.append((point, fault))
        result = self._strike(point, fault, act, half, special or {})
        self.after(point)
        return result

    def _fault(self, point: Point) -> Fault | None:
        if Fault.BROKEN in point.faults and self._broken.get(point.verb, -1) >= self.round:
            return Fault.FAIL
        fault = self._strikes(point)
        if fault not in point.faults:
            return None
        if fault is Fault.BROKEN:
            self._broken[point.verb] = self.round + BROKEN_ROUNDS
        return fault

    def _strike(
        self,
        point: Point,
        fault: Fault | None,
        act: Callable[[], T],
        half: Callable[[], object] | None,
        special: Mapping[Fault, Callable[[], T]],
    ) -> T:
        if fault is None:
            return act()
        if fault in special:
            return special[fault]()
        if fault in DEADLY:
            if fault is Fault.TORN and half is not None:
                half()
            self._dead.add(self.actor)
            raise Killed
        if fault is Fault.LOST:
            act()
            self.after(point)
        raise OSError(errno.EIO if fault is Fault.LOST else errno.ENOSPC, f"{point.name}: {fault}")


def _nobody_else() -> None:
    raise AssertionError("waits for a lock that nobody will give back")
