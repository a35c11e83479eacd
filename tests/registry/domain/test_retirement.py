"""Versions leave along the table, and never while anything may use them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.errors import JournalDamaged, Refused
from registry.domain.fold import fold
from registry.domain.inquiry import Question, inquire
from registry.domain.journal import Draft, Kind
from registry.domain.retirement import check_archivable, check_deletable, prunable
from registry.domain.turn import Turn
from tests.registry.domain.builders import (
    MODEL,
    NOON,
    V1,
    V2,
    V3,
    Installation,
    idle,
    kinds,
    promoted,
    recorded,
    soaking,
)


def asked(place: Installation, action: str, version: str) -> Draft:
    """The entry that answers a request of this action."""
    place.ask(action, version)
    place.turn()
    return place.entries[-1]


def retired() -> Installation:
    """Version 3 archived and deleted."""
    place = idle()
    assert asked(place, "archive", V3).kind is Kind.ARCHIVED
    assert asked(place, "delete", V3).kind is Kind.DELETED
    return place


def test_an_archived_version_is_deleted_and_stays_known() -> None:
    state = retired().state
    assert (state.version(V3).stage, state.version(V3).deleted, state.requests) == ("archived", True, ())


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_production_neither_leaves_nor_is_deleted(action: str) -> None:
    entry = asked(idle(), action, V1)
    assert entry.kind is Kind.REFUSED
    assert "production" in entry.data["reason"]


def test_what_is_not_archived_is_not_deleted_and_the_way_is_told() -> None:
    entry = asked(idle(), "delete", V2)
    assert (entry.kind, entry.data["request"]) == (Kind.REFUSED, "r2")
    assert "only archived versions are deleted: `geometry models archive 2" in entry.data["reason"]


def test_what_is_under_rollout_is_not_archived() -> None:
    place = soaking()
    entry = asked(place, "archive", V2)
    assert "under rollout" in entry.data["reason"]
    assert place.state.rollout is not None


def test_what_a_rollback_would_return_to_is_deleted_only_after_its_window() -> None:
    place = promoted()
    assert "rollback window of 2" in asked(place, "delete", V1).data["reason"]
    place.turns(lambda it: it.state.guarding is None)
    assert asked(place, "delete", V1).kind is Kind.DELETED
    assert place.state.previous is None
    assert "no version before" in asked(place, "rollback", None).data["reason"]


@pytest.mark.parametrize("action", ["archive", "delete"])
@pytest.mark.parametrize(("version", "reason"), [("9", "has no version 9"), (None, "has no version"), (V3, "deleted")])
def test_what_is_not_there_is_refused(action: str, version: str | None, reason: str) -> None:
    entry = asked(retired(), action, version)
    assert entry.kind is Kind.REFUSED
    assert reason in entry.data["reason"]


@pytest.mark.parametrize("to", ["staging", "production"])
def test_a_deleted_version_goes_nowhere(to: str) -> None:
    place = retired()
    turn = Turn(place.state, place.observation(), NOON, place.policy)
    assert "was deleted" in str(inquire(turn, Question(V3, to, "ada")).reason)


@pytest.mark.parametrize("draft", [
    Draft(Kind.STAGED, "x", {"version": V3}), Draft(Kind.DELETED, "x", {"version": V3}),
    Draft(Kind.DELETED, "x", {"version": V1}), Draft(Kind.DELETED, "x", {"version": V2}),
])  # fmt: skip
def test_a_journal_that_breaks_the_rules_is_damaged(draft: Draft) -> None:
    with pytest.raises(JournalDamaged, match=r"deleted|production|development"):
        fold(MODEL, recorded([draft], after=retired().entries))


def test_what_was_asked_before_a_restore_is_never_taken() -> None:
    place = idle()
    place.ask("promote", V2, "production")
    place.record(Draft(Kind.RESTORED, "x", {"anchor": {"sequence": 0, "sha256": ""}}))
    before = len(place.entries)
    place.turn()
    assert (place.state.requests, kinds(place.entries[before:])) == ((), [])


def test_prune_keeps_what_is_used_and_what_is_young() -> None:
    place = promoted()
    names = {age: [v.version for v in prunable(place.state, now=place.now, age=timedelta(days=age))] for age in (0, 1)}
    assert names == {0: [V3], 1: []}
    place.turns(lambda it: it.state.guarding is None)
    assert [v.version for v in prunable(place.state, now=place.now, age=timedelta())] == [V3]  # 1 is what to go back to


def test_prune_leaves_alone_what_somebody_asked_to_promote() -> None:
    place = idle()
    place.ask("promote", V2, "production")
    assert [v.version for v in prunable(place.state, now=place.now, age=timedelta())] == [V3]


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from(["archive", "delete", "promote", "rollback"]), st.sampled_from([V1, V2, V3])),
        max_size=8,
    )
)
def test_whatever_is_asked_nothing_that_serves_is_deleted(asks: list[tuple[str, str]]) -> None:
    place = idle()
    for action, version in asks:
        place.ask(action, version if action != "rollback" else None, "staging" if action == "promote" else "")
        place.turn()
        state = place.state
        gone = {found.version for found in state.versions.values() if found.deleted}
        assert not gone & {state.production, state.staging, state.previous}


@pytest.mark.parametrize("check", [check_archivable, check_deletable])
def test_the_rules_refuse_with_a_reason(check: object) -> None:
    with pytest.raises(Refused, match="production"):
        check(idle().state, V1)
