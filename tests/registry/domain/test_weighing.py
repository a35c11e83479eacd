"""Which windows are evidence on which signal, and when a signal holds a canary back."""

from datetime import timedelta

import pytest

from registry.domain.journal import Draft, Kind
from registry.domain.judge import EMPTY
from registry.domain.policy import Policy, Step
from registry.domain.verdict import Outcome
from tests.registry.domain.builders import (
    QUICK,
    SLOW,
    V1,
    V2,
    Installation,
    kinds,
    soaking,
    stepping,
    traffic,
    with_policy,
)

HALF = with_policy(SLOW, steps=(Step(50, 600),))
"""One step at which both revisions have the same load."""

COLD = with_policy(HALF, warmup=60)


def at_half(policy: Policy = HALF) -> Installation:
    return stepping(policy)


def slow_canary(place: Installation, answers: int, slow: int) -> None:
    """Answers of both as the route has it, and so many slow ones of the canary among its own."""
    traffic(place, answers)
    place.running[V2].slow += slow


def signal(place: Installation) -> str:
    """The signal that the verdict of the next turn names."""
    verdict = place.turn().verdict
    assert verdict is not None
    return str(verdict.numbers["signal"])


def test_slow_answers_bring_the_old_version_back() -> None:
    place = at_half()
    slow_canary(place, 400, slow=30)
    assert kinds(place.turn().drafts) == ["evidence", "verdict", "rolled_back"]
    assert place.entries[-1].data["reason"].startswith("slow answers above the stable's")


@pytest.mark.parametrize(
    ("policy", "pods", "harm", "health"),
    [
        (HALF, (1, 1), True, True),
        (HALF, (4, 5), True, True),  # the canary has a quarter more load
        (HALF, (3, 4), False, False),  # and more than that: it may be slow
        (HALF, (4, 3), True, False),  # less: speed is no merit, slowness is its own
        (SLOW, (1, 1), True, False),  # 10 against 90 % of one pod each
        (SLOW, (1, 9), True, True),  # the same load for each
        (SLOW, (1, 12), False, False),
    ],
)
def test_latency_is_judged_by_the_load_of_a_pod(
    policy: Policy, pods: tuple[int, int], harm: bool, health: bool
) -> None:
    place = stepping(policy)
    place.running[V2].pods, place.running[V1].pods = pods
    slow_canary(place, 400, slow=5)
    place.turn()
    found = place.evidence("latency")
    assert ((found.harm.windows > 0), (found.clearance.log_f != 0.0)) == (harm, health)


def test_a_slow_canary_with_little_load_goes_back_and_a_quick_one_is_not_praised_for_it() -> None:
    place = soaking()
    for _ in range(5):
        slow_canary(place, 1000, slow=0)
        place.turn()
    assert place.evidence("latency").clearance.log_a == 0.0
    slow_canary(place, 1000, slow=60)
    assert kinds(place.turn().drafts)[-1] == "rolled_back"


def test_answers_count_for_latency_when_both_revisions_are_warm() -> None:
    place = at_half(COLD)
    for _ in range(59):
        slow_canary(place, 100, slow=50)
        place.turn()
    assert place.evidence("latency").total.canary_exposure == 0
    for _ in range(5):
        traffic(place)
        place.turn()
    assert place.evidence("latency").total.canary_exposure > 0
    assert place.evidence("latency").total.canary_bad == 0


def test_a_revision_that_was_started_again_warms_up_again() -> None:
    place = at_half(COLD)
    for _ in range(70):
        traffic(place)
        place.turn()
    before = place.evidence("latency").total.stable_exposure
    place.running[V1].incarnation = "b"
    for _ in range(50):
        traffic(place)
        place.turn()
    assert place.evidence("latency").total.stable_exposure == before > 0


@pytest.mark.parametrize(("name", "canary"), [("refused", (20, 20, 0)), ("low_confidence", (40, 0, 20))])
def test_what_only_blocks_holds_and_never_goes_back(name: str, canary: tuple[int, int, int]) -> None:
    place = stepping(QUICK)
    good, refused, low = canary
    for _ in range(60):
        place.count(V1, 360)
        place.count(V2, good, refused=refused, low=low)
        place.turn()
    assert place.state.rollout is not None
    assert (place.state.rollout.step, place.state.rollout.verdict) == (0, ("hold", "too little evidence"))
    assert signal(place) == name


def test_a_canary_that_gets_nothing_but_junk_is_not_promoted_on_it() -> None:
    place = stepping(QUICK)
    for _ in range(300):
        place.count(V1, 360)
        place.count(V2, 0, refused=40)
        place.turn()
    assert place.state.rollout is not None
    assert place.state.rollout.step == 0


def test_junk_for_everybody_holds_no_good_canary_and_brings_none_back() -> None:
    place = stepping(QUICK)

    def half_junk() -> None:
        traffic(place)
        for version, weight in place.route.weights.items() if place.route else ():
            place.count(version, 0, refused=4 * weight)

    place.turns(lambda it: it.state.production == V2, each=half_junk)


def crash(place: Installation) -> None:
    """The canary's only process ends and is started again, which a turn sees as not ready and then as restarted."""
    place.running[V2].ready = False
    place.turn()
    place.running[V2].ready = True
    place.running[V2].restarts += 1
    place.turn()


def test_a_canary_that_restarts_and_a_stable_that_does_not_goes_back() -> None:
    place = stepping(SLOW)
    place.running[V1].pods = 9
    crashes = 0
    while place.state.rollout is not None and crashes < 10:
        crash(place)
        crashes += 1
        for _ in range(20):
            traffic(place)
            place.turn()
    assert place.entries[-1].data["reason"].startswith("restarts above the stable's")
    assert 2 < crashes < 6


def test_a_canary_that_restarts_as_often_as_each_pod_of_the_stable_stays() -> None:
    place = stepping(SLOW)
    place.running[V1].pods = 9
    for number in range(10):
        if number == 4:
            crash(place)
        place.running[V1].restarts += 1
        for _ in range(20):
            traffic(place)
            place.turn()
    assert place.state.rollout is not None
    assert place.evidence("restarts").total.canary_bad == 1


def test_memory_that_ran_out_ends_it_at_once() -> None:
    place = soaking()
    place.running[V2].out_of_memory = True
    assert kinds(place.turn().drafts) == ["rolled_back"]
    assert place.entries[-1].data["reason"] == "ended for the memory it took"


def past_the_route(place: Installation) -> None:
    """Half of the requests reach a canary that the route gives a tenth."""
    place.count(V1, 200)
    place.count(V2, 200)


def test_a_split_that_is_not_the_routes_is_an_error_until_the_next_step() -> None:
    place = stepping(QUICK)
    for _ in range(10):
        past_the_route(place)
        place.turn()
    assert place.state.rollout is not None
    assert place.state.rollout.verdict == ("error", "requests do not follow the route")
    place.record(Draft(Kind.STEPPED, "controller", {"version": V2, "step": 1, "weight": 50}))
    place.turn()
    assert place.evidence("ratio").step == EMPTY
    assert place.evidence("ratio").total.canary_exposure > 0


@pytest.mark.parametrize("ready", [True, False])
def test_a_split_is_tested_while_both_revisions_are_ready(ready: bool) -> None:
    place = stepping(QUICK)
    place.running[V1].ready = ready
    past_the_route(place)
    decision = place.turn()
    assert decision.verdict is not None
    assert (decision.verdict.outcome is Outcome.ERROR) is ready


def test_a_restarted_controller_goes_on_from_the_evidence_on_every_signal() -> None:
    place = at_half()
    for second in range(130):
        traffic(place)
        place.count(V2, 0, refused=second % 3)
        place.running[V2].slow += second % 50 == 0
        place.turn()
    assert place.state.rollout is not None
    kept = place.state.rollout.evidence
    assert set(kept) == {"errors", "latency", "refused", "low_confidence", "restarts", "ratio"}
    place.restart()
    place.turn()
    assert place.memory.evidence == kept


def test_the_controller_that_was_restarted_drops_the_window_of_every_signal() -> None:
    place = at_half()
    for _ in range(70):
        traffic(place)
        place.turn()
    place.restart()
    place.now += timedelta(seconds=20)
    traffic(place, 10**6)
    place.running[V2].restarts += 1
    place.turn()
    assert max(place.evidence(name).total.canary_exposure for name in ("errors", "latency", "ratio")) < 10**5
    assert place.evidence("restarts").total.canary_bad == 0
