"""Schedules of several processes: at every boundary the one that runs may have to let another one run.

Threads hand a baton around, so that one of them runs at a time and a schedule is repeated exactly.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.proofs.installation import Installation
from tests.proofs.machine import Killed, Point

SLEEP = "sleep"
NAP = 6
"""Rounds that a process is held up for when it is told to sleep: time passes, and the others go on."""

_PRIVATE = frozenset({"create", "write", "sync", "unlink", "mkdir", "rmdir", "replace", "project"})
"""What nobody else can see happen."""


@dataclass(frozen=True)
class Boundary:
    """A moment at which another may run. moves: who, or `sleep`."""

    index: int
    actor: str
    moves: tuple[str, ...]


@dataclass
class _Actor:
    name: str
    act: Callable[[], None]
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    busy: bool = False
    wakes: int = 0


class Scheduler:
    """Rounds of everybody. choose: the move at a boundary, None to let run on who runs."""

    def __init__(self, place: Installation, choose: Callable[[Boundary], str | None]) -> None:
        self.boundaries: list[Boundary] = []
        self._place = place
        self._choose = choose
        self._actors = {name: _Actor(name, act) for name, act in place.actors.items()}
        self._back = threading.Semaphore(0)
        self._current: _Actor | None = None
        self._move: str | None = None
        self._error: BaseException | None = None
        self._over = False
        self._threads = [threading.Thread(target=self._live, args=(actor,)) for actor in self._actors.values()]

    def __enter__(self) -> Callable[[], None]:
        self._place.machine.before = self._boundary
        self._place.machine.wait = lambda: self._let_run(SLEEP)
        for thread in self._threads:
            thread.start()
        return self.round

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._place.machine.end()
        for actor in self._actors.values():
            actor.go.release()
        for thread in self._threads:
            thread.join()

    def round(self) -> None:
        """Everybody who is awake does what he does in a round; those held up go on when they wake."""
        now = self._place.machine.round
        ready = [actor for actor in self._actors.values() if actor.wakes <= now]
        while ready:
            actor = ready.pop(0)
            self._resume(actor)
            if not actor.busy:
                continue
            if self._move == SLEEP:
                actor.wakes = now + NAP
                continue
            other = self._actors[str(self._move)]
            ready = [who for who in ready if who is not other]
            ready = [*([other] if other.wakes <= now else []), actor, *ready]
        self._place.held_up = any(actor.busy for actor in self._actors.values())

    def _resume(self, actor: _Actor) -> None:
        self._current, self._move, actor.busy = actor, None, True
        self._place.machine.actor = actor.name
        actor.go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error

    def _live(self, actor: _Actor) -> None:
        while not self._over:
            actor.go.acquire()
            if self._over:
                return
            try:
                actor.act()
            except BaseException as error:  # it is the coordinator's
                self._error = error
            actor.busy = False
            self._back.release()

    def _boundary(self, point: Point) -> None:
        if point.verb in _PRIVATE or self._over:
            return
        others = tuple(name for name in self._actors if name != point.actor)
        boundary = Boundary(len(self.boundaries), point.actor, (*others, SLEEP))
        self.boundaries.append(boundary)
        move = self._choose(boundary)
        if move is not None:
            self._let_run(move)

    def _let_run(self, move: str) -> None:
        actor = self._current
        if actor is None:
            raise RuntimeError("nobody runs")
        self._move = move
        self._back.release()
        actor.go.acquire()
        if self._over:
            raise Killed


def search(
    execute: Callable[[tuple[tuple[int, str], ...]], tuple[Boundary, ...]], *, preemptions: int, window: range
) -> None:
    """Execute all schedules with at most so many preemptions at boundaries in `window`, each once."""
    waiting: list[tuple[tuple[int, str], ...]] = [()]
    while waiting:
        moves = waiting.pop()
        boundaries = execute(moves)
        if len(moves) == preemptions:
            continue
        first = moves[-1][0] + 1 if moves else 0
        for boundary in boundaries[max(first, window.start) : window.stop]:
            waiting += [(*moves, (boundary.index, move)) for move in boundary.moves]
