from dataclasses import replace

import pytest

from registry.domain.awaited import awaited, duration
from registry.domain.policy import Step
from registry.domain.state import State
from tests.registry.domain.builders import (
    MODEL,
    QUICK,
    V1,
    V2,
    Installation,
    idle,
    promoted,
    soaking,
    stepping,
    traffic,
)


def said(place, *, verdict=None):
    return awaited(place.state, place.observation(), verdict, now=place.now)


def test_without_a_version_training_comes_first():
    assert "`geometry train`" in awaited(State(MODEL), Installation().observation(), None, now=Installation().now)


def test_without_production_the_newest_version_is_named():
    place = Installation()
    place.publish(V1)
    place.turn()
    assert said(place) == "nothing is served yet: `geometry promote 1 --to production`"


def test_idle_says_so():
    assert said(idle()) == "nothing is in progress"


def test_a_request_is_answered_by_the_controller():
    place = idle()
    place.ask("promote", V2, "production")
    assert said(place) == "the controller answers promote of ann"


def test_a_canary_that_is_not_ready_is_waited_for_until_the_deadline():
    place = idle()
    place.ask("promote", V2, "production")
    place.turn()
    place.running[V2] = replace(place.running[V2], ready=False, restarts=2)
    sentence = said(place)
    assert sentence.startswith("version 2 gets ready, started 3 times; then the first step")
    assert sentence.endswith("if undecided")


def test_a_canary_without_endpoint_has_no_traffic_until_it_is_ready():
    place = stepping()
    place.running[V2].ready = False
    place.turn()
    assert "version 2 gets ready; until then it has no traffic" in said(place)


def test_a_pause_waits_for_whoever_made_it():
    place = soaking()
    place.ask("pause")
    verdict = place.turn().verdict
    assert said(place, verdict=verdict).startswith("`geometry resume`; until then 10 % stays, and 50 % comes later")


def test_a_step_by_header_waits_for_its_soak_alone():
    place = stepping(replace(QUICK, rollout=replace(QUICK.rollout, steps=(Step(0, 30), Step(50, 5)))))
    assert said(place) == "26 s of header only pass, then 50 %"


def test_new_weights_settle_first():
    place = idle()
    place.ask("promote", V2, "production")
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 0)
    assert said(place) == "the proxy sends 10 % to version 2, and 3 s pass"


def test_soak_and_answers_are_counted_down():
    place = soaking()
    traffic(place, 100)
    verdict = place.turn().verdict
    sentence = said(place, verdict=verdict)
    assert "s of this step pass and" in sentence
    assert (
        f"{verdict.numbers['signals']['errors']['cleanNeeded']:,} clean answers more of version 2 on errors ("
        in sentence
    )
    assert sentence.endswith("at the present rate), then 50 %")


def test_a_quiet_canary_is_told_from_a_slow_one():
    place = soaking()
    assert "(none came yet), then 50 %" in said(place, verdict=place.turn().verdict)


def test_evidence_that_cannot_be_read_is_awaited_with_its_reason():
    place = soaking()
    place.unanswered.add(V2)
    assert said(place, verdict=place.turn().verdict).startswith(
        "evidence that can be read: no counters of 2; withdrawn"
    )


def test_a_rollback_window_names_its_end_and_the_way_back():
    place = promoted()
    sentence = said(place, verdict=place.turn().verdict)
    assert sentence.startswith("the rollback window of version 2 ends at 2026-03-01T12:")
    assert sentence.endswith("`geometry rollback` returns to 1 at once")


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (119, "119 s"), (600, "10 min"), (7200, "2.0 h"), (259200, "3.0 days")]
)
def test_durations_are_for_people(seconds, told):
    assert duration(seconds) == told
