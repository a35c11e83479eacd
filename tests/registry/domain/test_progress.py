"""One phase for each request after each entry, the same that the state has; terminal phases never change."""

import random
from dataclasses import replace

import pytest

from registry.domain.fold import fold
from registry.domain.journal import NO_ANCHOR, Draft, Entry, Kind, restoration
from registry.domain.progress import RUNNING, TERMINAL, WAITING, Ledger, Phase, Progress, follow
from registry.domain.state import State
from registry.domain.statuses import CONDITIONS
from tests.registry.domain.builders import (
    MODEL,
    QUICK,
    V1,
    V2,
    V3,
    Installation,
    idle,
    promoted,
    soaking,
    stepping,
    traffic,
    with_policy,
)


def last(place: Installation, action: str = "promote") -> Progress:
    """How far the newest request of an action got."""
    found = follow(place.entries).requests.values()
    return [progress for progress in found if progress.asked.data["action"] == action][-1]


def agrees(state: State, ledger: Ledger) -> None:
    """Both folds tell the same of what waits, what runs and what is guarded."""
    phases = {name: found.phase for name, found in ledger.requests.items()}
    assert {name for name, phase in phases.items() if phase in WAITING} == {found.id for found in state.requests}
    running = {name for name, phase in phases.items() if phase in RUNNING}
    assert running == ({state.rollout.request} if state.rollout else set())
    guarding = [found for found in ledger.requests.values() if found.phase is Phase.GUARDING]
    assert [found.version for found in guarding] == ([state.guarding.version] if state.guarding else [])


def walked(entries: tuple[Entry, ...]) -> None:
    """Every prefix agrees with the state, and nothing that ended changes its phase."""
    state, ledger = State(MODEL), Ledger()
    for entry in entries:
        before, state, ledger = ledger, fold(MODEL, [entry], state=state), follow([entry], ledger)
        agrees(state, ledger)
        for name, found in before.requests.items():
            assert found.phase not in TERMINAL or ledger.requests[name] == found
    assert ledger == follow(entries)


def test_a_promotion_that_was_asked_for_is_pending():
    place = idle()
    place.ask("promote", V2, "production")
    assert last(place).phase is Phase.PENDING


def test_one_that_is_measured_in_staging_is_staging():
    place = idle()
    place.policy = replace(QUICK, checklist=())
    place.ask("promote", V2, "production")
    place.turn()
    assert (last(place).phase, last(place).accepted) == (Phase.STAGING, False)


def test_one_that_steps_shows_step_weight_and_both_weights():
    found = last(stepping())
    assert (found.phase, found.step, found.steps) == (Phase.PROGRESSING, 1, 2)
    assert (found.weight, found.weights) == (10, {V2: 10, V1: 90})


def test_pause_and_resume_are_phases_of_the_promotion_and_succeed_themselves():
    place = soaking()
    place.ask("pause")
    place.turn()
    assert (last(place).phase, last(place, "pause").phase) == (Phase.PAUSED, Phase.SUCCEEDED)
    place.ask("resume")
    place.turn()
    assert last(place).phase is Phase.PROGRESSING


def test_a_verdict_comes_with_its_numbers_by_signal():
    verdict = last(stepping()).verdict
    assert verdict is not None
    assert verdict.outcome == "hold"
    assert "errors" in verdict.signals


def test_a_promoted_one_guards_and_succeeds_when_the_window_is_over():
    place = promoted()
    assert (last(place).phase, last(place).weight) == (Phase.GUARDING, 100)
    place.turns(lambda it: it.state.guarding is None)
    assert last(place).phase is Phase.SUCCEEDED


def test_one_that_goes_back_in_its_window_is_rolled_back_and_the_rollback_succeeds():
    place = promoted()
    place.ask("rollback", V2)
    place.turn()
    assert (last(place).phase, last(place, "rollback").phase) == (Phase.ROLLED_BACK, Phase.SUCCEEDED)


def test_a_rollback_after_the_window_runs_like_a_promotion_of_the_version_before():
    place = promoted()
    place.turns(lambda it: it.state.guarding is None)
    place.ask("rollback", V2)
    place.turn()
    assert (last(place, "rollback").phase, last(place, "rollback").version) == (Phase.PROGRESSING, V1)


def test_an_aborted_one_is_aborted_whether_it_began_or_not():
    begun, waiting = soaking(), idle()
    waiting.policy = replace(QUICK, checklist=())
    waiting.ask("promote", V2, "production")
    waiting.turn()
    for place in (begun, waiting):
        place.ask("abort")
        place.turn()
        assert last(place).phase is Phase.ABORTED


def test_one_that_meets_its_deadline_is_expired():
    place = stepping(with_policy(QUICK, deadline=30))
    place.turns(lambda it: it.state.rollout is None)
    assert last(place).phase is Phase.EXPIRED


def test_a_refused_one_tells_why():
    place = idle()
    place.ask("promote", V1, "staging")
    place.turn()
    assert last(place).phase is Phase.REFUSED
    assert "production" in last(place).message


def test_what_waits_when_a_journal_is_restored_fails():
    place = idle()
    place.ask("promote", V2, "production")
    place.record(restoration(place.entries, NO_ANCHOR, backup="b", by="ann", reason=""))
    assert last(place).phase is Phase.FAILED
    assert follow(place.entries).since == place.entries[-1].time


def test_a_refused_pause_of_another_leaves_the_promotion_as_it_is():
    place = soaking()
    place.record(Draft(Kind.REQUESTED, "bob", {**request("pause"), "promotion": "another"}))
    place.turn()
    assert (last(place).phase, last(place, "pause").phase) == (Phase.PROGRESSING, Phase.REFUSED)


def request(action: str) -> dict[str, object]:
    return {"id": f"of-{action}", "action": action, "version": None, "to": "", "reason": "", "requestedBy": "bob"}


def test_every_phase_has_its_conditions():
    assert set(CONDITIONS) == set(Phase)
    assert all((CONDITIONS[phase][1] == "False") == (phase in WAITING | RUNNING) for phase in Phase)


@pytest.mark.parametrize("make", [idle, stepping, soaking, promoted])
def test_each_prefix_of_a_journal_has_one_phase_a_request(make):
    walked(make().entries)


@pytest.mark.parametrize("seed", range(12))
def test_each_prefix_of_a_random_journal_has_one_phase_a_request(seed):
    dice, place = random.Random(seed), idle()
    place.policy = replace(QUICK, checklist=() if seed % 3 == 0 else QUICK.checklist)  # every third one is measured
    for _ in range(60):
        action = dice.choice(("promote", "promote", "rollback", "pause", "resume", "abort", "archive", "approve", ""))
        version = dice.choice((V1, V2, V3))
        if action and dice.random() < 0.3:
            target = dice.choice(("staging", "production")) if action == "promote" else ""
            place.ask(action, None if action in ("pause", "resume", "abort") else version, target)
        for _ in range(dice.randrange(1, 12)):
            traffic(place, 600)
            if dice.random() < 0.02 and place.state.rollout is not None:
                place.count(place.state.rollout.version, 0, errors=200)
            place.turn()
    walked(place.entries)
