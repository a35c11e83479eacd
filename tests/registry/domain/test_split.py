"""A comparison holds its split, ends with its time, goes back on harm, and never promotes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from registry.domain.account import accounts
from registry.domain.awaited import awaited
from registry.domain.confusion import confusion
from registry.domain.findings import CANARY, STABLE, document, findings
from registry.domain.journal import Entry
from registry.domain.report import report
from registry.domain.stages import Stage
from registry.domain.state import Rollout, release
from registry.domain.verdict import Outcome
from tests.registry.domain.builders import (
    MODEL,
    QUICK,
    V1,
    V2,
    V3,
    Installation,
    candidate,
    idle,
    kinds,
    promoted,
    traffic,
)
from tests.registry.domain.comparing import SECONDS, compare, comparing, ended


def running(place: Installation) -> Rollout:
    assert place.state.rollout is not None
    return place.state.rollout


def last(place: Installation, kind: str) -> Entry:
    return next(entry for entry in reversed(place.entries) if entry.kind == kind)


def refusal(place: Installation) -> str:
    place.turn()
    return str(last(place, "refused").data["reason"])


def test_it_holds_its_split_and_ends_with_its_time_however_good_the_canary_is() -> None:
    place = comparing(weight=30)
    assert release(place.state).weights == {V1: 70, V2: 30}
    began = running(place).stepped
    assert began is not None
    entry = last(ended(place), "expired")
    assert 0 <= (entry.time - began).total_seconds() - SECONDS <= 1
    assert entry.data["reason"].startswith("comparison over; E ")
    assert kinds(place.entries).count("promoted") == 1
    assert (place.state.production, release(place.state).weights) == (V1, {V1: 100})
    assert place.state.version(V2).stage is Stage.DEVELOPMENT


def test_its_last_entry_says_what_was_found() -> None:
    place = comparing()

    def worse() -> None:
        place.count(V1, good=200)
        place.count(V2, good=199, errors=place.now.second % 2, low=20)

    numbers = last(ended(place, worse), "expired").data["numbers"]
    found = {finding.signal: finding for finding in findings(numbers)}
    assert found["low_confidence"].better == STABLE
    assert (found["errors"].better, found["errors"].ratio) == (None, None)
    assert found["errors"].window.canary_bad > 5
    assert document(numbers)["signals"]["refused"]["ratio"] == {"value": None, "low": 0.0, "high": None}


def test_fewer_bad_events_are_better_once_the_interval_says_so() -> None:
    place = comparing()

    def better() -> None:
        place.count(V1, good=200, low=40)
        place.count(V2, good=200, low=10)

    found = {finding.signal: finding for finding in findings(last(ended(place, better), "expired").data["numbers"])}
    assert found["low_confidence"].better == CANARY
    assert found["low_confidence"].ratio == pytest.approx(0.25)
    assert 0.25 in found["low_confidence"].interval


def test_speed_is_no_merit_where_the_load_is_lower() -> None:
    place = comparing(weight=10)

    def faster() -> None:
        place.count(V1, good=180, slow=60)
        place.count(V2, good=20)

    found = {finding.signal: finding for finding in findings(last(ended(place, faster), "expired").data["numbers"])}
    assert (found["latency"].level, found["latency"].better) == (False, None)
    assert found["latency"].interval.high < 1
    assert found["errors"].level


def test_evidence_of_harm_sends_it_back_before_its_time() -> None:
    place = comparing(seconds=3600)

    def failing() -> None:
        place.count(V1, good=100)
        place.count(V2, good=80, errors=20)

    entry = last(ended(place, failing), "rolled_back")
    assert entry.data["numbers"]["signal"] == "errors"
    assert place.state.version(V2).stage is Stage.ARCHIVED
    assert release(place.state).weights == {V1: 100}


def test_an_absolute_fault_sends_it_back_at_once() -> None:
    place = comparing()
    place.running[V2].digest = "0" * 64
    place.turn()
    assert last(place, "rolled_back").data["reason"].startswith("serves digest 000000000000")


def test_time_runs_on_while_the_canary_is_away() -> None:
    place = comparing()
    began = running(place).stepped
    place.running[V2].ready = False
    place.turn()
    assert release(place.state).weights == {V1: 100, V2: 0}
    place.running[V2].ready = True
    place.turn()
    assert (running(place).stepped, running(place).weight) == (began, 50)


def test_it_ends_where_nothing_can_be_counted_any_more() -> None:
    place = comparing()
    place.unanswered = {V2}
    entry = last(ended(place, lambda: None), "expired")
    assert entry.data["reason"] == "comparison over; no counters of 2"


def test_a_canary_that_never_gets_ready_is_withdrawn_without_findings() -> None:
    place = idle()
    compare(place)
    place.obeys = False
    place.turn()
    place.now += timedelta(seconds=QUICK.rollout.deadline + SECONDS)
    place.turn()
    place.turn()
    assert "numbers" not in last(place, "expired").data


def test_an_abort_ends_it_without_blame_and_its_report_says_that_it_came_early() -> None:
    place = comparing()
    place.ask("abort", by="bob")
    place.turn()
    page = report(accounts(MODEL, place.entries)[-1], confusion(candidate(V2), candidate(V1)))
    assert "<h1>shapes: comparison of versions 1 and 2 aborted</h1>" in page
    assert "It ended before its time" in page
    assert (last(place, "aborted").actor, place.state.version(V2).stage) == ("bob", Stage.DEVELOPMENT)


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_it_cannot_be_paused_or_resumed(action: str) -> None:
    place = comparing()
    place.ask(action)
    assert "a comparison of 1 and 2 is in progress, whose split stays as it is" in refusal(place)
    assert running(place).paused is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base": V3}, "version 3 is not in production, version 1 is"),
        ({"base": None}, "names no two versions"),
        ({"version": None}, "names no two versions"),
        ({"version": V1}, "version 1 is already in production"),
        ({"version": "9"}, "no version 9"),
        ({"weight": 51}, "weight 51, wanted a whole percent from 1 to 50"),
        ({"weight": 0}, "weight 0, wanted"),
        ({"weight": "half"}, "weight half, wanted"),
        ({"seconds": 0}, "0 s, wanted at least one"),
        ({"seconds": 1e12}, "wanted at least one and at most"),
        ({"seconds": None}, "None s, wanted"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_words(changes: dict[str, object], words: str) -> None:
    place = idle()
    compare(place, **changes)
    assert words in refusal(place)


def test_without_production_there_is_nothing_to_compare_with() -> None:
    place = Installation(policy=QUICK)
    place.publish(V1, V2)
    place.turn()
    compare(place)
    assert "nothing is in production to compare with" in refusal(place)


def test_one_rollout_at_a_time() -> None:
    place = comparing()
    place.ask("promote", V3, "production")
    assert "a comparison of 2 is in progress" in refusal(place)
    compare(place, id="c2", version=V3)
    assert "a comparison of 2 is in progress" in refusal(place)


def test_it_passes_the_checklist_of_a_promotion_to_production_first() -> None:
    place = idle()
    place.policy = replace(QUICK, checklist=())
    compare(place)
    place.turn()
    staged = last(place, "staged")
    assert (staged.data["promotion"], staged.data["comparison"]) == ("c1", True)
    place.now += timedelta(seconds=200)
    told = refusal(place)
    assert "latency: got" in told
    assert "--force" not in told


def test_a_waiting_one_is_withdrawn_by_an_abort() -> None:
    place = idle()
    place.policy = replace(QUICK, checklist=())
    compare(place)
    place.turn()
    place.ask("pause")
    assert "the comparison that waits has not begun" in refusal(place)
    place.ask("abort")
    place.turn()
    assert last(place, "aborted").data["promotion"] == "c1"
    assert place.state.requests == ()


def test_filed_in_a_rollback_window_it_ends_that_first() -> None:
    place = promoted()
    compare(place, base=V2, version=V3)
    place.turn()
    assert kinds(place.entries)[-2:] == ["staged", "started"]
    assert (place.state.guarding, running(place).base) == (None, V2)


def test_a_restarted_controller_goes_on_with_it() -> None:
    place = comparing()
    traffic(place)
    place.turn()
    place.restart()
    assert running(place).plan.comparison
    assert ended(place).state.version(V2).stage is Stage.DEVELOPMENT


def test_what_is_awaited_is_its_end() -> None:
    place = comparing()
    verdict = place.turn().verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, "comparing")
    told = awaited(place.state, place.observation(), verdict, now=place.now)
    assert told == "15 s of the comparison pass, then version 1 has all requests again"


def test_an_account_of_it_is_told_apart() -> None:
    account = accounts(MODEL, ended(comparing()).entries)[-1]
    assert (account.plan.comparison, account.outcome) == (True, "over")
    page = report(account, confusion(candidate(V2), candidate(V1)))
    assert "<h1>shapes: comparison of versions 1 and 2 over</h1>" in page
    assert "<h2>Comparison</h2>" in page
    assert page.count("not known yet") == 4
