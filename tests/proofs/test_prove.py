"""Everything: each kill point alone and in pairs, each other fault, each schedule of a window, ten thousand at random.

The executions go to all processors; a row is printed for each path and kind.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.proofs.cases import WINDOW, Tally, drawn, faults, first_kills, kill_points, kills, pairs, schedules
from tests.proofs.execution import MEMORY, Proof
from tests.proofs.ways import RACES, SHORT_RACE, WAYS

pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600)]

SEEDS, SHARE = 10_000, 100
PARTS = 16
"""What all processors share of a row."""

_PROOFS: list[Proof] = []
"""The one of this process of the pool."""


def _begin(root: str) -> None:
    _PROOFS.append(Proof(Path(root) / str(os.getpid())))


def _kill(way: str, part: int) -> Tally:
    points, cases = kill_points(_PROOFS[0], way), kills(_PROOFS[0], way)
    return Tally(way, points=len(points[part::PARTS])).executed(_PROOFS[0], cases[part::PARTS])


def _pair(way: str, first: int) -> Tally:
    return pairs(_PROOFS[0], way, first)


def _fault(way: str, part: int) -> Tally:
    points, cases = _PROOFS[0].undisturbed(way).points, faults(_PROOFS[0], way)
    return Tally(way, points=len(points[part::PARTS])).executed(_PROOFS[0], cases[part::PARTS])


def _two_preemptions(way: str, start: int) -> Tally:
    return schedules(_PROOFS[0], way, start, preemptions=2)


def _three_preemptions(way: str, start: int) -> Tally:
    return schedules(_PROOFS[0], way, start, preemptions=3)


def _random(way: str, start: int) -> Tally:
    return Tally(way).executed(_PROOFS[0], map(drawn, range(start, start + SHARE)))


Prove = Callable[[str, Callable[[str, int], Tally], str, Sequence[int]], Tally]


@pytest.fixture(scope="module")
def prove() -> Iterator[Prove]:
    """prove(what, do, way, parts): run `do` for each part in a process of the pool, sum up, and print the row."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY) as root,
        ProcessPoolExecutor(initializer=_begin, initargs=(root,)) as pool,
    ):

        def proved(what: str, do: Callable[[str, int], Tally], way: str, parts: Sequence[int]) -> Tally:
            total = Tally(way)
            for tally in pool.map(do, [way] * len(parts), parts):
                total += tally
            numbers = (total.points, total.executions, total.unlike, len(total.violations))
            print(f"{way:<24} {what:<20}", *(f"{number:>14}" for number in numbers), flush=True)
            assert not total.violations, "\n\n".join(total.violations[:5])
            return total

        print(
            f"\n{'path':<24} {'what':<20} {'points':>14} {'executions':>14} {'old production':>14} {'violations':>14}"
        )
        yield proved


@pytest.mark.parametrize("way", WAYS)
def test_a_kill_at_every_point_changes_nothing(prove, way):
    assert not prove("one kill", _kill, way, range(PARTS)).unlike


@pytest.mark.parametrize("way", WAYS)
def test_two_kills_at_every_pair_of_points_change_nothing(prove, proof, way):
    assert not prove("two kills", _pair, way, first_kills(proof, way)).unlike


@pytest.mark.parametrize("way", WAYS)
def test_every_fault_at_every_point_leaves_every_promise_kept(prove, way):
    assert prove("one fault", _fault, way, range(PARTS)).executions


@pytest.mark.parametrize("way", RACES)
def test_all_schedules_with_two_preemptions_do_no_harm(prove, proof, way):
    boundaries = len(proof.undisturbed_race(way).boundaries)
    assert prove("two preemptions", _two_preemptions, way, range(0, boundaries, WINDOW)).executions


def test_all_schedules_with_three_preemptions_do_no_harm(prove, proof):
    boundaries = len(proof.undisturbed_race(SHORT_RACE).boundaries)
    assert prove("three preemptions", _three_preemptions, SHORT_RACE, range(0, boundaries, WINDOW)).executions


def test_ten_thousand_executions_at_random_leave_every_promise_kept(prove):
    assert prove("at random", _random, "all", range(0, SEEDS, SHARE)).executions == SEEDS
