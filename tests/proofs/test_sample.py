"""A seeded thousand executions: kills, other faults and races at moments drawn from everything `make prove` runs."""

import random
import zlib

import pytest

from tests.proofs.cases import Tally, drawn, drawn_schedule, faults, first_kills, kills, pairs
from tests.proofs.execution import Case
from tests.proofs.ways import RACES, WAYS


@pytest.fixture
def dice(way: str) -> random.Random:
    return random.Random(zlib.crc32(way.encode()))


@pytest.mark.parametrize("way", WAYS)
def test_whoever_is_killed_at_any_point_comes_to_rest_as_if_nothing_had_been(proof, way, dice):
    cases = kills(proof, way)
    tally = Tally(way).executed(proof, dice.sample(cases, min(8, len(cases))))
    assert not tally.violations, tally.violations[0]
    assert not tally.unlike


@pytest.mark.parametrize("way", WAYS)
def test_whoever_is_killed_twice_comes_to_rest_as_if_nothing_had_been(proof, way, dice):
    tally, firsts = Tally(way), first_kills(proof, way)
    for first in dice.sample(firsts, min(4, len(firsts))):
        tally += pairs(proof, way, first, dice=dice)
    assert not tally.violations, tally.violations[0]
    assert not tally.unlike


@pytest.mark.parametrize("way", WAYS)
def test_a_fault_anywhere_leaves_every_promise_kept(proof, way, dice):
    cases = faults(proof, way)
    tally = Tally(way).executed(proof, dice.sample(cases, min(5, len(cases))))
    assert not tally.violations, tally.violations[0]


def test_whatever_goes_wrong_while_a_version_is_deleted_its_files_go(proof):
    tally = Tally("archive").executed(proof, faults(proof, "archive"))
    assert not tally.violations, tally.violations[0]
    assert not tally.unlike


@pytest.mark.parametrize("way", RACES)
def test_two_controllers_and_a_user_do_no_harm_in_any_order(proof, way, dice):
    tally = Tally(way).executed(proof, (drawn_schedule(proof, way, dice) for _ in range(8)))
    assert not tally.violations, tally.violations[0]


@pytest.mark.parametrize("start", range(0, 60, 10))
def test_faults_and_races_at_random_leave_every_promise_kept(proof, start):
    tally = Tally("at random").executed(proof, map(drawn, range(start, start + 10)))
    assert not tally.violations, tally.violations[0]


@pytest.mark.parametrize("verb", ["replace", "project"])
@pytest.mark.parametrize("way", ["promote", "rollback by evidence"])
def test_a_view_or_mirror_that_never_works_changes_nothing(proof, way, verb):
    assert proof.execute(Case(way, broken=(verb,))).as_unkilled
