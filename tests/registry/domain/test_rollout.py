"""A rollout, turn by turn."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from registry.domain.journal import Entry
from registry.domain.observation import ObservedRoute
from registry.domain.policy import Policy
from registry.domain.stages import Stage
from registry.domain.version import Version
from tests.registry.domain.builders import (
    QUICK,
    SLOW,
    V1,
    V2,
    Installation,
    Running,
    digest,
    idle,
    kinds,
    promoted,
    soaking,
    stepping,
    traffic,
    with_policy,
)


def starting() -> Installation:
    """Version 2 is started and not ready yet."""
    place = idle()
    place.obeys = False
    place.ask("promote", V2, "production")
    place.turn()
    place.act()
    place.running[V2].ready = False
    return place


def since(place: Installation, sequence: int) -> tuple[Entry, ...]:
    return place.entries[sequence:]


def change(**fields: object) -> Callable[[Installation], None]:
    """Change what version 2 reports."""

    def apply(place: Installation) -> None:
        for name, value in fields.items():
            setattr(place.running[V2], name, value(place) if callable(value) else value)

    return apply


def gone(place: Installation) -> None:
    del place.running[V2]


def ago(seconds: float) -> Callable[[Installation], object]:
    return lambda place: place.now - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("begin", "seen", "wanted"),
    [
        (starting, change(ready=False), []),
        (starting, change(ready=False, unready_since=ago(600)), []),
        (starting, change(ready=True, digest=None), []),
        (starting, gone, []),
        (starting, change(ready=True), ["stepped"]),
        (starting, change(ready=True, digest="0" * 64), ["rolled_back"]),
        (starting, change(restarts=5), ["rolled_back"]),
        (starting, change(restarts=4), []),
        (soaking, change(), []),
        (soaking, change(ready=False), ["withheld"]),
        (soaking, gone, ["withheld"]),
        (soaking, change(digest="0" * 64), ["rolled_back"]),
        (soaking, change(ready=False, restarts=5), ["rolled_back"]),
        (soaking, change(restarts=7), []),
        (soaking, change(ready=False, unready_since=ago(60)), ["rolled_back"]),
        (soaking, change(ready=False, unready_since=ago(59)), ["withheld"]),
    ],
)
def test_what_a_turn_records(
    begin: Callable[[], Installation], seen: Callable[[Installation], None], wanted: list[str]
) -> None:
    place = begin()
    seen(place)
    assert kinds(place.turn().drafts) == wanted


def test_a_canary_gets_its_first_weight_when_it_is_ready() -> None:
    place = starting()
    place.turn()
    place.running[V2].ready = True
    (stepped,) = place.turn().drafts
    assert (stepped.data["step"], stepped.data["weight"]) == (0, 10)


def test_a_withheld_canary_gets_the_weight_of_its_step_back_and_soaks_again() -> None:
    place = stepping()
    place.running[V2].ready = False
    place.turn()
    assert place.state.rollout is not None
    assert place.state.rollout.weight == 0
    place.running[V2].ready = True
    assert kinds(place.turn().drafts) == ["stepped"]
    assert (place.state.rollout.weight, place.state.rollout.stepped) == (10, place.now)


def test_a_withheld_canary_without_endpoint_for_a_minute_goes_back() -> None:
    place = stepping()
    place.running[V2].ready, place.running[V2].unready_since = False, place.now
    place.turns(lambda it: it.state.rollout is None)
    assert place.entries[-1].data["reason"] == "no ready endpoint for 61 s"
    assert place.state.version(V2).stage is Stage.ARCHIVED


def test_nothing_advances_before_its_soak() -> None:
    place = soaking()
    for _ in range(60):
        traffic(place)
        assert "stepped" not in kinds(place.turn().drafts)
    assert place.state.rollout is not None
    assert place.state.rollout.verdict == ("hold", "soaking")


def test_clean_answers_lead_through_every_step_to_production() -> None:
    place = stepping()
    begin = len(place.entries)
    place.turns(lambda it: it.state.production == V2, each=lambda: traffic(place))
    found = since(place, begin)
    assert [kind for kind in kinds(found) if kind not in ("evidence", "verdict")] == ["stepped", "promoted"]
    assert [entry.data["weight"] for entry in found if entry.kind == "stepped"] == [50]
    assert (place.state.previous, place.state.version(V1).stage) == (V1, Stage.ARCHIVED)


def test_a_canary_that_was_never_ready_is_withdrawn_with_what_kept_it_from_being_so() -> None:
    place = stepping(with_policy(QUICK, deadline=600))
    place.running[V2] = Running(ready=False, problem="ImagePullBackOff: no such image")
    place.turns(lambda it: it.state.rollout is None)
    told = "undecided after 600 s; the canary has no ready endpoint (ImagePullBackOff: no such image)"
    assert place.entries[-1].data["reason"] == told


def test_without_traffic_it_holds_until_the_deadline_and_is_withdrawn_without_blame() -> None:
    place = stepping(with_policy(QUICK, deadline=600))
    place.turns(lambda it: it.state.rollout is None)
    assert place.entries[-1].kind == "expired"
    assert place.entries[-1].data["reason"] == "undecided after 600 s"
    assert (place.state.production, place.state.version(V2).stage) == (V1, Stage.DEVELOPMENT)


@pytest.mark.parametrize("missing", [V1, V2])
def test_missing_evidence_never_promotes(missing: Version) -> None:
    place = soaking()
    for _ in range(20):
        traffic(place, 1000)
        place.turn()
    place.unanswered = {missing}
    for _ in range(600):
        traffic(place, 1000)
        place.turn()
    assert place.state.rollout is not None
    assert (place.state.rollout.step, place.state.rollout.verdict) == (0, ("error", "evidence could not be read"))


def test_a_canary_that_no_longer_says_its_digest_holds() -> None:
    place = stepping()
    place.running[V2].digest = None
    for _ in range(30):
        traffic(place)
        decision = place.turn()
    assert decision.verdict is not None
    assert decision.verdict.message == "the canary did not say which digest it serves"
    assert place.state.rollout is not None
    assert place.state.rollout.step == 0


def test_errors_bring_the_old_version_back_with_the_numbers() -> None:
    place = stepping()
    place.count(V1, 900)
    place.count(V2, 60, errors=40)
    assert kinds(place.turn().drafts) == ["evidence", "verdict", "rolled_back"]
    assert place.entries[-1].data["numbers"]["canary"] == {"answers": 100, "errors": 40}
    assert (place.state.production, place.state.version(V2).stage) == (V1, Stage.ARCHIVED)


def test_rollback_wins_when_enough_of_both_is_there() -> None:
    place = soaking()
    for _ in range(4):
        place.count(V1, 10**6)
        place.count(V2, 10**6)
        place.turn()
    assert place.state.rollout is not None
    place.count(V1, 10**5)
    place.count(V2, 0, errors=40)
    decision = place.turn()
    assert decision.memory.evidence["errors"].clearance.log_a > 100
    assert kinds(decision.drafts)[-1] == "rolled_back"


@pytest.mark.parametrize("seconds", [61, 7200])
def test_a_jump_of_the_clock_holds_for_one_turn(seconds: int) -> None:
    place = stepping()
    traffic(place, 5000)
    decision = place.turn(seconds)
    assert decision.drafts == ()
    assert decision.memory.segment is None


def test_after_a_jump_beyond_the_deadline_the_next_turn_expires() -> None:
    place = stepping()
    place.turn(7200)
    assert kinds(place.turn().drafts) == ["expired"]


def test_a_pause_of_the_whole_machine_is_no_fault_of_the_canary() -> None:
    place = stepping()
    place.running[V2].ready, place.running[V2].unready_since = False, place.now
    place.turn(600)
    place.running[V2].ready, place.running[V2].unready_since = True, None
    assert kinds(place.turn().drafts) == ["stepped"]


def test_answers_until_three_seconds_after_the_route_belong_to_no_window() -> None:
    place = stepping(SLOW)
    assert place.route is not None
    place.route = ObservedRoute(place.route.weights, place.now, place.route.anchor)
    for _ in range(3):
        place.count(V2, 0, errors=1000)
        place.turn()
    place.turn()
    assert place.evidence().total.canary_bad == 0
    place.count(V2, 0, errors=3)
    assert place.turn().memory.evidence["errors"].total.canary_bad == 3


@pytest.mark.parametrize("weights", [{V1: 100}, {V1: 50, V2: 50}, {}])
def test_while_the_route_shows_other_weights_nothing_is_counted(weights: dict[Version, int]) -> None:
    place = stepping(SLOW)
    place.obeys = False
    place.route = ObservedRoute(weights, place.now - timedelta(hours=1), None)
    traffic(place, 10**5)
    place.turn()
    assert place.evidence().total.canary_exposure == 0


def test_a_route_that_cannot_be_asked_holds() -> None:
    place = stepping()
    place.obeys, place.route = False, None
    traffic(place, 10**5)
    assert place.turn(30).drafts == ()
    assert place.memory.segment is None


def test_evidence_is_recorded_each_minute_and_a_verdict_only_when_it_changes() -> None:
    place = stepping(SLOW)
    begin = len(place.entries)
    for _ in range(305):
        place.count(V1, 9)
        place.count(V2, 1)
        place.turn()
    assert kinds(since(place, begin)) == ["evidence"] * 5


def test_evidence_names_the_counters_it_ends_with() -> None:
    place = stepping()
    place.turns(lambda it: it.state.production == V2, each=lambda: traffic(place))
    last = [entry for entry in place.entries if entry.kind == "evidence" and "errors" in entry.data][-1]
    assert last.data["counters"][V2]["good"] >= last.data["errors"]["total"]["canary_exposure"] > 0


def test_a_restarted_controller_goes_on_from_the_recorded_evidence() -> None:
    place, killed = soaking(), soaking()
    for second in range(300):
        for it in (place, killed):
            it.count(V1, 90, errors=9 * (second % 40 == 0))
            it.count(V2, 10, errors=second % 40 == 0)
            it.turn()
        if second % 100 == 75:
            killed.restart()
        whole, kept = place.evidence(), killed.evidence()
        assert kept.total.canary_exposure <= whole.total.canary_exposure
        assert kept.total.canary_bad <= whole.total.canary_bad
    recorded = [entry for entry in killed.entries if entry.kind == "evidence" and "errors" in entry.data]
    seen = [entry.data["errors"]["total"]["canary_exposure"] for entry in recorded]
    assert seen == sorted(seen)
    assert seen[-1] > 1000


def test_a_restart_in_the_turn_of_a_rollback_still_rolls_back() -> None:
    place = stepping()
    place.count(V1, 900)
    place.count(V2, 60, errors=40)
    place.now += timedelta(seconds=1)
    place.record(*place.decide().drafts[:-1])  # killed before the last of its entries
    place.restart()
    place.turns(lambda it: it.state.rollout is None)
    assert (place.entries[-1].kind, place.state.production) == ("rolled_back", V1)


def test_the_clearance_begins_anew_at_each_step() -> None:
    place = stepping()
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 1, each=lambda: traffic(place))
    place.turn()
    assert place.evidence().step.canary_exposure == 0
    assert place.evidence().total.canary_exposure > 0


def test_the_first_version_is_promoted_when_it_is_ready_and_was_identified() -> None:
    place = Installation(obeys=False)
    place.publish(V1)
    place.turn()
    place.ask("promote", V1, "production")
    place.turn()
    place.act()
    place.running[V1].digest = None
    assert place.turn().drafts == ()
    place.running[V1].digest = digest(V1)
    assert kinds(place.turn().drafts) == ["promoted"]


def test_a_first_version_that_crashes_leaves_no_production() -> None:
    place = Installation(obeys=False)
    place.publish(V1)
    place.turn()
    place.ask("promote", V1, "production")
    place.turn()
    place.act()
    place.running[V1] = replace(place.running[V1], ready=False, restarts=5)
    assert kinds(place.turn().drafts) == ["rolled_back"]
    assert (place.state.production, place.state.version(V1).stage) == (None, Stage.ARCHIVED)


def test_a_changed_policy_does_not_touch_a_rollout_in_progress() -> None:
    place = stepping()
    place.policy = Policy()
    place.turns(lambda it: it.state.production == V2, each=lambda: traffic(place))
    assert promoted().state.production == V2


def test_recorded_evidence_alone_does_not_promote_before_a_fresh_window() -> None:
    place = soaking()
    for _ in range(70):
        traffic(place)
        place.turn()
    place.restart()
    assert "stepped" not in kinds(place.turn(700).drafts)
    assert kinds(place.turn().drafts)[-1] == "stepped"


def test_a_pod_that_was_moved_now_and_then_is_in_no_crash_loop() -> None:
    place = soaking()
    for _ in range(24):
        place.turn(50)
    place.running[V2].restarts, place.running[V2].ready = 5, False
    assert kinds(place.turn().drafts) == ["withheld"]
    place.running[V2].restarts = 15
    (back,) = place.turn().drafts
    assert (back.kind, "crash loop: 15 restarts in 12" in back.data["reason"]) == ("rolled_back", True)


def test_pods_that_a_moment_added_beyond_the_policys_most_are_not_kept_for_the_rollout() -> None:
    place = stepping()
    place.running[V1].pods = place.policy.serving.max_replicas + 5
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 1, each=lambda: traffic(place))
    assert place.state.pods == place.policy.serving.max_replicas
