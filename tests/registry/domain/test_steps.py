"""Steps without weight: reached by header only, or mirrored to."""

import pytest

from registry.domain.plan import parse_plan
from registry.domain.policy import Step
from registry.domain.requests import plan_of
from registry.domain.state import release
from tests.registry.domain.builders import QUICK, V1, V2, Installation, kinds, stepping, traffic, with_policy

STEPS = with_policy(QUICK, steps=(Step(0, 20), Step(0, 20, mirror=100), Step(10, 5), Step(50, 5)))


def at(index: int) -> Installation:
    place = stepping(STEPS)
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == index)
    return place


def test_a_canary_reached_by_header_goes_on_by_itself_after_its_soak_and_says_nothing_meanwhile() -> None:
    place = at(0)
    begin = len(place.entries)
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 1)
    stepped = place.entries[-1].time - place.entries[begin - 1].time
    assert kinds(place.entries[begin:]) == ["stepped"]
    assert stepped.total_seconds() == 20


def test_a_mirrored_canary_goes_on_after_its_soak_and_tells_of_its_pairs() -> None:
    place = at(1)
    began = place.entries[-1].time
    place.say(V1, a="circle", b="circle")
    place.say(V2, a="circle", b="square")
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 2)
    verdict = next(entry for entry in reversed(place.entries) if entry.kind == "verdict")
    assert (place.entries[-1].time - began).total_seconds() == 20
    assert (verdict.data["verdict"], verdict.data["reason"]) == ("promote", "no harm seen")
    assert "1 disagreements in 2 pairs (50.00%), 0 labelled" in verdict.data["message"]


def test_header_only_has_neither_weight_nor_mirror_and_is_reached_beside_the_live_route() -> None:
    found = release(at(0).state)
    assert found.weights == {V1: 100, V2: 0}
    assert [revision.mirror for revision in found.live] == [0, 0]


def test_a_mirrored_canary_has_no_weight() -> None:
    (canary,) = release(at(1).state).canaries
    assert (canary.weight, canary.mirror) == (0, 100)


def test_the_steps_lead_to_production() -> None:
    place = at(1)
    place.turns(lambda it: it.state.production == V2, each=lambda: traffic(place))
    stepped = [entry.data for entry in place.entries if entry.kind == "stepped"]
    assert [(data["weight"], data.get("mirror")) for data in stepped] == [(0, None), (0, 100), (10, None), (50, None)]


@pytest.mark.parametrize("index", [0, 1])
def test_a_canary_that_dies_is_withheld_and_soaks_again(index: int) -> None:
    place = at(index)
    for _ in range(15):
        place.turn()
    place.running[V2].ready = False
    assert kinds(place.turn().drafts) == ["withheld"]
    assert [revision.mirror for revision in release(place.state).live] == [0, 0]
    place.running[V2].ready = True
    place.turn()
    assert place.state.rollout is not None
    assert (place.state.rollout.step, place.state.rollout.stepped) == (index, place.now)


def test_only_steps_with_weight_share_beta() -> None:
    assert plan_of(STEPS).advance_bound == plan_of(QUICK).advance_bound


def test_a_plan_of_before_there_was_a_mirror_is_read_as_ever() -> None:
    document = plan_of(QUICK).document()
    assert document["steps"] == [{"weight": 10, "soak": 5}, {"weight": 50, "soak": 5}]
    assert parse_plan(plan_of(STEPS).document()) == plan_of(STEPS)
