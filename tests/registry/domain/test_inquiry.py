"""Force, and the latency that a promotion to production waits for."""

from dataclasses import replace

import pytest

from registry.domain.checklist import Candidate
from registry.domain.observation import Latency
from registry.domain.policy import Serving
from registry.domain.state import release
from registry.domain.version import Version
from tests.registry.domain.builders import QUICK, V1, V2, V3, Installation, Running, candidate, idle, kinds, promoted

GOOD, SLOW = Latency(100, 0, 0.02), Latency(100, 0, 0.3)


def measuring(version: Version = V2) -> Installation:
    """A promotion whose version has just gone to staging on its way."""
    place = idle()
    place.policy = replace(QUICK, checklist=())
    place.ask("promote", version, "production", "development")
    assert kinds(place.turn().drafts) == ["staged"]
    return place


def worse() -> Installation:
    place = idle()
    place.candidates[V2] = candidate(V2, wrong=80)
    return place


def test_a_version_goes_to_staging_and_waits_there_until_it_is_measured() -> None:
    place = measuring()
    assert release(place.state).staging is not None
    assert place.turn(60).drafts == ()
    place.latency[V2] = GOOD
    assert kinds(place.turn().drafts) == ["started"]
    assert place.entries[-1].data["checks"][-1]["got"] == "p99 20 ms of 100 requests, 0 failed"


def test_a_slow_version_is_refused_with_its_numbers_and_stays_in_staging() -> None:
    place = measuring()
    place.latency[V2] = SLOW
    (refused,) = place.turn().drafts
    assert refused.data["reason"].startswith(
        "latency: got p99 300 ms of 100 requests, 0 failed, wanted 99 % of 100 requests within 100 ms; "
    )
    assert place.state.staging == V2


def test_a_staging_revision_that_never_gets_ready_is_refused_as_not_to_be_asked() -> None:
    place = measuring()
    assert place.turn(119).drafts == ()
    (refused,) = place.turn(1).drafts
    assert "latency: got no staging revision was ready to be asked" in refused.data["reason"]


def test_the_refusal_says_what_keeps_a_staging_revision_from_being_ready() -> None:
    place = measuring()
    place.running[V2] = Running(ready=False, problem="Unschedulable: 0/1 nodes are available: 1 Insufficient cpu")
    (refused,) = place.turn(120).drafts
    assert "to be asked (Unschedulable: 0/1 nodes are available: 1 Insufficient cpu), wanted" in refused.data["reason"]


def test_what_is_in_staging_already_is_measured_without_another_entry() -> None:
    place = idle()
    place.policy = replace(QUICK, checklist=())
    place.ask("promote", V2, "staging")
    place.turn()
    place.latency[V2] = GOOD
    place.ask("promote", V2, "production", "staging")
    assert kinds(place.turn().drafts) == ["started"]


def test_what_fails_without_being_measured_is_refused_at_once() -> None:
    place = worse()
    place.policy = replace(QUICK, checklist=())
    place.ask("promote", V2, "production")
    assert kinds(place.turn().drafts) == ["refused"]


def test_the_window_of_the_version_before_stays_open_until_the_new_one_was_measured() -> None:
    place = promoted()
    place.policy = replace(QUICK, checklist=())
    place.ask("promote", V3, "production")
    place.turn()
    assert place.state.guarding is not None
    place.latency[V3] = GOOD
    place.turn()
    assert (place.state.guarding, place.state.rollout is not None) == (None, True)


def test_another_promotion_waits_behind_it_and_is_refused_then() -> None:
    place = measuring()
    place.ask("promote", V3, "production")
    place.latency[V2] = GOOD
    place.turn()
    place.turns(lambda it: not it.state.requests)
    assert kinds(place.entries).count("started") == 2
    assert "a rollout of 2 is in progress" in place.entries[-1].data["reason"]


def test_an_approval_does_not_wait_behind_it() -> None:
    place = measuring()
    place.ask("approve", V3, by="bob")
    assert kinds(place.turn().drafts) == ["approved"]


def test_a_killed_controller_goes_on_waiting() -> None:
    place = measuring()
    place.restart()
    place.latency[V2] = GOOD
    assert kinds(place.turn().drafts) == ["started"]


def test_force_goes_on_in_spite_of_checks_and_every_one_of_them_is_recorded() -> None:
    place = worse()
    place.policy = replace(QUICK, checklist=())
    place.ask("promote", V2, "production", force=True, reason="the old one leaks")
    staged, started = place.turn().drafts
    for draft in (staged, started):
        assert draft.data["forced"] == ["accuracy", "recall", "latency"]
        assert draft.data["reason"] == "the old one leaks"
    assert [check["outcome"] for check in started.data["checks"]].count("pass") == 8
    assert place.state.version(V2).forced == ("accuracy", "recall", "latency")


def test_force_without_a_reason_is_refused() -> None:
    place = worse()
    place.ask("promote", V2, "production", force=True, reason=" ")
    (refused,) = place.turn().drafts
    assert refused.data["reason"].startswith("force without a reason")


def test_what_does_not_verify_is_never_forced() -> None:
    place = idle()
    place.candidates[V2] = Candidate(V2, verification_error="model.tflite: another sha256")
    place.ask("promote", V2, "production", force=True, reason="hurry")
    (refused,) = place.turn().drafts
    assert refused.data["reason"].startswith("digest: got model.tflite: another sha256")
    assert "accuracy" not in refused.data["reason"]


def test_what_nothing_speaks_against_is_not_called_forced() -> None:
    place = idle()
    place.ask("promote", V2, "staging", force=True, reason="to be sure")
    place.turn()
    assert place.state.version(V2).forced == ()


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_a_version_serves_the_variant_that_the_policy_wanted_when_it_was_promoted(variant: str) -> None:
    place = idle()
    place.policy = replace(QUICK, serving=Serving(variant=variant))
    found = candidate(V2)
    assert found.card
    offered = {"fp32": found.card.variants["fp32"], "int8": {"file": "i", "ece": 0.01}}
    assert found.evaluation
    images = tuple(replace(image, int8=image.fp32) for image in found.evaluation.images)
    evaluation, card = replace(found.evaluation, images=images), replace(found.card, variants=offered)
    place.candidates[V2] = replace(found, card=card, evaluation=evaluation)
    place.ask("promote", V2, "production")
    place.turn()
    wanted = release(place.state)
    assert {revision.version: revision.variant for revision in wanted.live} == {V1: "fp32", V2: variant}
