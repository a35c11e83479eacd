"""What the journal says about a moment: who served, who decided, on which numbers."""

from datetime import timedelta

from registry.domain.past import moment_of
from tests.registry.domain.builders import MODEL, NOON, V1, V2, idle, promoted, stepping

AN_INSTANT = timedelta(milliseconds=1)


def test_before_the_first_entry_nothing_was_so() -> None:
    found = moment_of(MODEL, idle().entries, NOON - timedelta(days=1))
    assert (found.production, dict(found.weights), found.state.head.sequence) == (None, {}, 0)


def test_production_is_told_with_who_asked_and_who_decided() -> None:
    place = promoted()
    decided = moment_of(MODEL, place.entries, place.now).production.document()
    assert (decided["version"], decided["askedBy"], decided["decidedBy"]) == (V2, "ann", "controller")
    assert decided["numbers"]
    assert decided["reason"]


def test_the_moment_before_a_promotion_has_the_version_before() -> None:
    place = promoted()
    change = next(entry for entry in place.entries if entry.kind == "promoted" and entry.data["version"] == V2)
    before, after = (moment_of(MODEL, place.entries, time) for time in (change.time - AN_INSTANT, change.time))
    assert (before.production.version, after.production.version) == (V1, V2)
    assert dict(before.weights) == {V1: 50, V2: 50}
    assert before.document()["rollout"]["requestedBy"] == "ann"


def test_the_weights_of_a_rollout_in_progress_are_told() -> None:
    place = stepping()
    assert dict(moment_of(MODEL, place.entries, place.now).weights) == {V1: 90, V2: 10}


def test_a_rollback_is_who_asked_for_it() -> None:
    place = promoted()
    place.ask("rollback")
    place.turn()
    decided = moment_of(MODEL, place.entries, place.now).production
    assert (decided.version, decided.entry.kind, decided.asked.data["action"]) == (V1, "rolled_back", "rollback")


def test_every_moment_agrees_with_the_journal_cut_there() -> None:
    entries = promoted().entries
    for entry in entries:
        until = [other for other in entries if other.time <= entry.time]
        assert moment_of(MODEL, entries, entry.time).state == moment_of(MODEL, until, entry.time).state
        assert moment_of(MODEL, entries, entry.time).state.head == until[-1].anchor
