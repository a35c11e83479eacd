"""Labels of a rollout whose canary gets copies of the live requests."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.answers import Answers, Key
from registry.domain.fold import fold
from registry.domain.journal import Kind
from registry.domain.judge import NOTHING, RATIOS, StartMixture, Window, harm
from registry.domain.labels import AT_MOST, LabelFile, labelled
from registry.domain.requests import plan_of
from registry.domain.signals import AGREEMENT, LABELS
from registry.domain.stages import Stage
from registry.domain.state import LABELS_KEPT, State
from tests.registry.domain.builders import MODEL, QUICK, V1, V2, Installation, idle, kinds, traffic, with_policy
from tests.registry.domain.mirroring import AGREEING, BLOCKED, MIRRORED, answer, mirrored

IDLE = idle()


def test_labels_say_who_was_right_and_the_pairs_who_was_wrong() -> None:
    place = mirrored()
    labels = (
        answer(place, "a", canary="circle", stable="circle", pairs=4)
        | answer(place, "b", canary="star", stable="circle", pairs=3)
        | answer(place, "c", canary="circle", stable="star", pairs=2)
        | answer(place, "d", canary="star", stable="star", pairs=1)
    )
    data = place.label("first", **labels, nobody="circle").data
    assert (data["taken"], data["unknown"], data["repeated"]) == (10, 1, 0)
    assert data["versions"] == {"1": {"right": 7, "wrong": 3}, "2": {"right": 6, "wrong": 4}}
    assert data["pairs"] == {"version": "2", "both_right": 4, "canary_wrong": 3, "stable_wrong": 2, "both_wrong": 1}
    assert (place.state.version(V2).right, place.state.version(V2).wrong) == (6, 4)
    assert place.state.rollout is not None
    assert place.state.rollout.evidence[LABELS].total == Window(10, 3, 10, 2)


def test_a_canary_that_alone_is_wrong_goes_back_by_its_labels_while_it_has_no_weight() -> None:
    place = mirrored()
    place.label("first", **answer(place, "a", canary="star", stable="circle", pairs=30))
    place.turn()
    assert kinds(place.entries)[-3:] == ["evidence", "verdict", "rolled_back"]
    assert place.entries[-1].data["reason"].startswith("lone mistakes above the stable's; E")
    assert place.entries[-1].data["numbers"]["signal"] == LABELS
    assert place.state.version(V2).stage is Stage.ARCHIVED


def test_late_labels_send_a_canary_back_at_a_step_with_weight() -> None:
    place = mirrored()
    labels = answer(place, "a", canary="star", stable="circle", pairs=30)
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 1)
    for _ in range(4):
        place.turn()
    place.label("late", **labels)
    place.turn()
    assert place.entries[-1].kind == "rolled_back"


def passed(place: Installation) -> Installation:
    """Version 2 in production, version 1 waiting."""
    place.turns(lambda it: it.state.production == V2, each=lambda: traffic(place))
    return place


def test_labels_that_come_after_the_promotion_return_production() -> None:
    place = mirrored()
    labels = answer(place, "a", canary="star", stable="circle", pairs=30)
    early, late = dict(list(labels.items())[:5]), dict(list(labels.items())[5:])
    place.label("early", **early)
    passed(place).label("late", **late)
    place.restart()
    place.turn()
    assert kinds(place.entries)[-2:] == ["verdict", "rolled_back"]
    assert "canary 30 lone mistakes in 30 labelled pairs" in place.entries[-1].data["reason"]
    assert place.state.production == V1


def test_late_labels_wait_for_the_version_before_to_be_ready() -> None:
    place = mirrored()
    labels = answer(place, "a", canary="star", stable="circle", pairs=30)
    passed(place).running[V1].ready = False
    place.label("late", **labels)
    place.turn()
    assert place.state.production == V2
    place.running[V1].ready = True
    place.turn()
    assert place.state.production == V1


def test_late_labels_without_harm_leave_production_alone() -> None:
    place = mirrored()
    labels = answer(place, "a", canary="star", stable="star", pairs=300)
    passed(place).label("late", **labels)
    place.turns(lambda it: it.state.guarding is None)
    assert place.state.production == V2


def test_a_canary_wrong_together_with_the_stable_stays() -> None:
    place = mirrored()
    place.label("first", **answer(place, "a", canary="star", stable="star", pairs=300))
    place.turn()
    assert place.state.rollout is not None
    assert place.state.rollout.evidence[LABELS].harm.log_e == 0


def test_the_first_label_of_an_image_counts_and_every_later_one_does_not() -> None:
    place = mirrored()
    place.label("first", **answer(place, "a", canary="circle", stable="circle", pairs=5))
    place.restart()
    data = place.label("second", a0="star", a1="star").data
    assert (data["taken"], data["repeated"]) == (0, 2)
    assert place.state.version(V2).wrong == 0


def test_the_first_of_two_labels_in_one_file_counts() -> None:
    place = mirrored()
    place.say(V2, a="circle")
    file = LabelFile("f", "ann", ((Key("a", 0), "circle"), (Key("a", 0), "star")))
    (draft,) = labelled(place.state, place.answers, file)
    assert (draft.data["taken"], draft.data["repeated"]) == (1, 1)
    assert draft.data["versions"] == {"2": {"right": 1, "wrong": 0}}


def test_a_file_that_is_recorded_is_not_recorded_again() -> None:
    place = mirrored()
    place.label("first", **answer(place, "a", canary="circle", stable="circle", pairs=5))
    state = place.state
    place.restart()
    assert labelled(place.state, place.answers, LabelFile("first", "ann", ())) == ()
    assert place.state == state


def test_an_unknown_label_may_come_again_and_count_then() -> None:
    place = mirrored()
    assert place.label("early", a0="circle").data["unknown"] == 1
    answer(place, "a", canary="circle", stable="circle", pairs=1)
    assert place.label("again", a0="circle").data["taken"] == 1


def test_an_id_that_two_requests_had_is_unknown() -> None:
    place = mirrored()
    place.answers[V1] = Answers({Key("a", 0): None})
    assert place.label("first", a="circle").data["unknown"] == 1


def test_labels_without_a_rollout_count_for_who_answered() -> None:
    place = idle()
    place.say(V1, a="circle")
    data = place.label("first", a="star").data
    assert "pairs" not in data
    assert place.state.version(V1).wrong == 1


def test_labels_are_recorded_beside_what_else_a_turn_decides() -> None:
    place = mirrored()
    place.running[V2].ready = False
    place.labels = LabelFile("first", "ann", ())
    assert kinds(place.turn().drafts) == ["labelled", "withheld"]


def test_the_evidence_of_labels_outlives_a_controller_and_a_recorded_reading() -> None:
    place = mirrored(BLOCKED)
    labels = answer(place, "a", canary="star", stable="circle", pairs=4)
    place.label("first", **labels)
    for _ in range(61):
        place.turn()
    found = place.state
    place.restart()
    place.turn()
    assert found.rollout is not None
    assert found.rollout.evidence[LABELS].total == Window(4, 4, 4, 0)
    assert fold(MODEL, place.entries).rollout == place.state.rollout


def test_a_step_that_waits_for_labels_ends_when_they_clear_the_canary() -> None:
    place = mirrored(BLOCKED)
    for _ in range(60):
        place.turn()
    assert place.state.rollout is not None
    assert place.state.rollout.step == 0
    assert place.decide().verdict is not None
    needed = place.decide().verdict.numbers["signals"]["labels"]["cleanNeeded"]  # type: ignore[union-attr]
    place.label("first", **answer(place, "a", canary="circle", stable="circle", pairs=needed - 1))
    place.turn()
    assert place.state.rollout.step == 0
    place.label("second", **answer(place, "b", canary="circle", stable="circle", pairs=1))
    place.turn()
    assert place.state.rollout.step == 1


def test_a_step_that_waits_for_labels_in_vain_expires() -> None:
    place = mirrored(with_policy(BLOCKED, deadline=100))
    place.turns(lambda it: it.state.rollout is None)
    assert place.entries[-1].kind == "expired"


def test_a_step_that_waits_for_labels_shares_beta_and_labels_share_alpha() -> None:
    assert plan_of(MIRRORED).advance_bound == plan_of(QUICK).advance_bound / 2
    assert plan_of(BLOCKED).advance_bound == plan_of(QUICK).advance_bound
    assert [plan_of(policy).signals for policy in (QUICK, MIRRORED, AGREEING)] == [3, 4, 5]


def test_a_canary_that_says_something_else_too_often_goes_back_where_a_minimum_is_set() -> None:
    places = mirrored(AGREEING), mirrored()
    for place in places:
        answer(place, "a", canary="star", stable="circle", pairs=10)
        place.turn()
        answer(place, "b", canary="circle", stable="circle", pairs=10)
        place.turn()
    assert places[0].entries[-1].kind == "rolled_back"
    assert places[0].entries[-1].data["reason"].startswith("disagreements above 5.00%; E")
    assert places[1].state.rollout is not None
    assert places[1].evidence(AGREEMENT).total == Window(20, 10, 0, 0)


def test_a_canary_that_agrees_as_often_as_wanted_stays() -> None:
    place = mirrored(AGREEING)
    answer(place, "a", canary="star", stable="circle", pairs=5)
    answer(place, "b", canary="circle", stable="circle", pairs=95)
    place.turn()
    assert place.state.rollout is not None
    assert place.evidence(AGREEMENT).harm.log_e < math.log(place.state.rollout.plan.rollback_bound)


def test_what_agreed_is_not_counted_again_after_a_restart() -> None:
    place = mirrored(BLOCKED)
    answer(place, "a", canary="circle", stable="circle", pairs=5)
    for _ in range(62):  # recorded meanwhile
        place.turn()
    before = place.evidence(AGREEMENT).total
    place.restart()
    place.turn()
    assert place.evidence(AGREEMENT).total == before == Window(5, 0, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=6))
def test_lone_mistakes_are_the_events_of_the_paired_test(windows: list[tuple[int, int]]) -> None:
    """With w = ½ the likelihood ratio of θ is 2^(b+c) q^b (1 − q)^c with q = θ/(1 + θ)."""
    for lone, others in windows:
        pairs = lone + others + 3
        found = harm(StartMixture(), Window(pairs, lone, pairs, others))
        wanted = [
            (lone + others) * math.log(2) + lone * math.log(q) + others * math.log(1 - q)
            for q in (ratio / (1 + ratio) for ratio in RATIOS)
        ]
        if lone + others:  # the first window has half of the weight of all starts
            assert [log + math.log(2) for log in found.logs] == pytest.approx(wanted)
        else:
            assert found == StartMixture()


def recorded_labels(place: Installation, sizes: Sequence[int]) -> State:
    """The state after files of so many labels each."""
    state, count = place.state, 0
    for number, size in enumerate(sizes):
        keys = [[str(count + key), 0] for key in range(size)]
        data = {"file": str(number), "versions": {}, "labels": keys}
        state, count = (
            fold(MODEL, [replace(place.entries[-1], kind=Kind.LABELLED, data=data)], state=state),
            count + size,
        )
    return state


def test_as_many_labels_are_remembered_as_answers_may_be_known_and_not_many_more() -> None:
    state = recorded_labels(idle(), [LABELS_KEPT // 4] * 6)
    keys = frozenset().union(*(batch.keys for batch in state.labelled))
    assert LABELS_KEPT <= len(keys) < 2 * LABELS_KEPT
    assert Key(str(LABELS_KEPT // 4 * 6 - LABELS_KEPT), 0) in keys
    assert [state.has_labels(str(number)) for number in (0, 1, 2, 5)] == [False, False, True, True]


@given(st.lists(st.integers(0, 700), min_size=1, max_size=12))
def test_every_file_and_label_is_in_a_batch(sizes: list[int]) -> None:
    state = recorded_labels(IDLE, sizes)
    assert sum(len(batch.keys) for batch in state.labelled) == sum(sizes)
    assert all(state.has_labels(str(number)) for number in range(len(sizes)))
    assert all(len(batch.files) + len(batch.keys) >= AT_MOST for batch in state.labelled[:-1])


def test_files_without_a_known_label_do_not_pile_up() -> None:
    state = recorded_labels(IDLE, [0] * 3 * AT_MOST)
    assert len(state.labelled) == 3


def test_evidence_that_stands_alone_is_the_guards() -> None:
    alone = NOTHING.add_alone(exposure=10, bad=4, floor=0.05)
    assert alone.harm.log_e > 0
    assert NOTHING.add_alone(exposure=10, bad=4, floor=None).harm == NOTHING.harm
