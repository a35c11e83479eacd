"""What the controller's metrics say of a model, from journals that it wrote itself."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from registry.controller import exported
from registry.controller.backups import Kept
from registry.controller.exporting import Cards, Exported
from registry.controller.health import Health
from registry.controller.samples import NEWEST, TESTS, Known, Sample, of_card, samples, shown
from registry.domain.card import Metrics
from registry.domain.fold import fold
from registry.domain.inbox import Told
from registry.domain.journal import Draft, Kind
from registry.domain.observation import Observation
from registry.domain.progress import Phase, follow
from registry.domain.state import State
from registry.domain.tally import Tally, tally
from registry.domain.verdict import Outcome
from registry.domain.version import Version
from tests.registry.domain.builders import (
    MODEL,
    NOON,
    V1,
    V2,
    Installation,
    digest,
    idle,
    promoted,
    recorded,
    soaking,
    stepping,
    traffic,
)


def known(place: Installation) -> Known:
    told = Told(place.state, place.entries, follow(place.entries), Observation(), None, place.now, place.memory)
    return Known(told, tally(place.entries), counted=place.now)


def told(found: Known) -> dict[tuple[str, ...], float]:
    """Values by name and labels after the model's."""
    return {(name, *labels[1:]): value for name, labels, value in samples(MODEL, found)}


def present(found: Known, name: str) -> list[tuple[str, ...]]:
    """Labels of a set of which one is 1."""
    return [labels for (family, *labels), value in told(found).items() if family == name and value == 1]


def test_all_children_of_closed_sets_are_there_before_the_first_turn() -> None:
    young = told(Known())
    assert {key[1] for key in young if key[0] == exported.PHASE} == {"None", *(phase.value for phase in Phase)}
    assert {key[1] for key in young if key[0] == exported.VERDICT} == {outcome.value for outcome in Outcome}
    assert {key[1] for key in young if key[0] == exported.ROLLOUTS} == {
        "promoted", "rolled_back", "aborted", "expired",
    }  # fmt: skip
    assert {key[1:] for key in young if key[0] == exported.EVIDENCE} == {*TESTS, ("errors", "guard")}
    assert (young[exported.LAST_TURN,], young[exported.EVIDENCE_TIME,]) == (0, 0)


@pytest.mark.parametrize("place", [idle, stepping, promoted], ids=["idle", "stepping", "promoted"])
def test_closed_sets_have_the_same_children_whatever_goes_on(place) -> None:
    def closed(found: Known) -> set[tuple[str, ...]]:
        sets = (exported.PHASE, exported.VERDICT, exported.ROLLOUTS, exported.EVIDENCE, exported.THRESHOLD)
        return {key for key in told(found) if key[0] in sets}

    assert closed(known(place())) == closed(Known())


def test_nothing_in_progress_has_no_evidence_and_no_bound_that_it_could_reach() -> None:
    found = told(known(idle()))
    assert {found[key] for key in found if key[0] == exported.EVIDENCE} == {0.0}
    assert all(math.isnan(found[key]) for key in found if key[0] == exported.THRESHOLD)
    assert present(known(idle()), exported.PHASE) == [["None"]]
    assert found[exported.STARTED,] == 0


def test_a_rollout_shows_phase_step_weights_and_who_shall_serve() -> None:
    place = stepping()
    found = told(known(place))
    assert present(known(place), exported.PHASE) == [["Progressing"]]
    assert (found[exported.STEP,], found[exported.STARTED,]) == (1, place.state.rollout.started.timestamp())
    assert (found[exported.WEIGHT, V1], found[exported.WEIGHT, V2]) == (90, 10)
    assert found[exported.RECORDED, V1, digest(V1), "production"] == 1
    assert found[exported.RECORDED, V2, digest(V2), "canary"] == 1


def test_evidence_is_what_the_last_turn_knew_and_not_only_what_the_journal_has() -> None:
    place = soaking()
    place.count(V1, 90)
    place.count(V2, 10, errors=2)
    place.turn()
    journal, live = place.state.rollout.evidence, place.evidence()
    found = told(known(place))
    assert found[exported.EVIDENCE, "errors", "harm"] == live.harm.log_e > 0
    assert found[exported.EVIDENCE, "errors", "acceptable"] == live.clearance.log_a
    assert found[exported.THRESHOLD, "harm"] == math.log(place.state.rollout.plan.rollback_bound)
    place.restart()
    assert told(known(place))[exported.EVIDENCE, "errors", "harm"] == journal["errors"].harm.log_e


def test_a_rollback_window_shows_its_guard_and_the_version_that_waits() -> None:
    place = promoted()
    place.count(V2, 50, errors=3)
    place.turn()
    found = told(known(place))
    assert present(known(place), exported.PHASE) == [["Guarding"]]
    assert found[exported.EVIDENCE, "errors", "guard"] == place.memory.mixture.log_e > 0
    assert found[exported.RECORDED, V1, digest(V1), "previous"] == 1
    assert math.isnan(found[exported.THRESHOLD, "acceptable"])
    assert [key[1:] for key in found if key[0] == exported.WEIGHT] == [(V2,)]


def test_a_request_that_waits_shows_where_it_waits() -> None:
    place = idle()
    place.ask("promote", V2, "production")
    assert present(known(place), exported.PHASE) == [["Pending"]]


def test_a_problem_and_a_journal_that_is_not_the_one_acted_upon_are_told() -> None:
    found = told(replace(known(idle()), problem="journal: found only 3 entries", damaged=True))
    assert (found[exported.PROBLEM,], found[exported.ANCHOR,]) == (1, 1)


def test_ends_are_counted_from_the_journal_so_that_a_restart_changes_none() -> None:
    place = promoted()
    before = tally(place.entries)
    place.count(V2, 50, errors=10)
    place.turn()
    place.restart()
    after = told(known(place))
    assert (before.ends[Kind.PROMOTED], before.ends[Kind.ROLLED_BACK]) == (2, 0)
    assert (after[exported.ROLLOUTS, "promoted"], after[exported.ROLLOUTS, "rolled_back"]) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "data", "counted"),
    [
        (Kind.ABORTED, {"version": "2"}, 1),
        (Kind.ABORTED, {"version": "2", "promotion": "r1"}, 0),  # withdrawn before it began
        (Kind.EXPIRED, {"version": "2"}, 1),
        (Kind.EXPIRED, {"version": "2", "numbers": {"e": 1}}, 0),  # a comparison that is over
        (Kind.ROLLED_BACK, {"version": "2"}, 1),
    ],
)
def test_only_what_ends_a_rollout_counts(kind, data, counted) -> None:
    assert sum(tally(recorded([Draft(kind, "controller", data)])).ends.values()) == counted


@given(st.integers(0, 40))
def test_a_tally_that_goes_on_equals_one_from_the_start(cut: int) -> None:
    entries = _JOURNAL
    assert tally(entries[cut:], tally(entries[:cut])) == tally(entries)


_JOURNAL = promoted().entries


def test_of_many_versions_only_the_newest_and_those_that_serve_are_told() -> None:
    drafts = [Draft(Kind.PUBLISHED, "controller", {"version": str(n), "digest": f"{n:064x}"}) for n in range(1, 31)]
    state = replace(fold(MODEL, recorded(drafts)), production=V1)
    found = [each.version for each in shown(state)]
    assert found == [V1, *(Version(str(n)) for n in range(31 - NEWEST, 31))]


def test_a_card_that_cannot_be_read_leaves_stage_and_date() -> None:
    (found,) = (each for each in idle().state.versions.values() if each.version == V2)
    assert [sample.name for sample in of_card(MODEL, found, None)] == [exported.VERSION, exported.PUBLISHED]
    assert Sample(exported.ACCURACY, (MODEL, V2), 0.9) in [*of_card(MODEL, found, Metrics(0.9, 0.01, {}))]


def test_counters_are_read_of_both_judged_versions_and_of_production_alone_before_the_first_step() -> None:
    place = idle()
    assert place.state.counted == {V1}
    place.ask("promote", V2, "production")
    place.turns(lambda it: it.state.rollout is not None)
    assert place.state.counted == {V1}
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 0, each=lambda: traffic(place))
    assert place.state.counted == {V1, V2}
    assert State(MODEL).counted == frozenset()


def test_the_tally_of_nothing_is_complete() -> None:
    assert set(Tally().ends.values()) == {0}


def test_what_is_exported_is_what_the_table_names(installation) -> None:
    installation.first()
    registry = Health(lambda: True).registry
    registry.register(Exported(installation.controller, Cards(installation.home.versions())))
    families = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
    names = {f"{name}_total" if family.type == "counter" else name for name, family in families.items()}
    assert {name for name in names if not name.endswith("_created")} == set(exported.NAMES)
    values = {(sample.name, *sample.labels.values()): sample.value for sample in families[exported.ACCURACY].samples}
    assert values == {(exported.ACCURACY, "shapes", "1"): 0.9}
    kinds = [(sample.labels["volume"], sample.labels["kind"]) for sample in families[exported.VOLUME].samples]
    assert kinds == [(volume, kind) for volume in ("store", "journal") for kind in ("size", "free")]
    assert families[exported.EVIDENCE_TIME].samples[0].value > NOON.timestamp()


def test_backups_show_when_the_newest_was_made_and_how_often_they_are_asked_for(installation) -> None:
    made = datetime(2026, 1, 2, tzinfo=UTC)
    installation.controller.backups = type("Backups", (), {"kept": Kept(3600.0, made), "step": lambda *_: None})()
    registry = CollectorRegistry()
    registry.register(Exported(installation.controller, Cards(installation.home.versions())))
    assert registry.get_sample_value(exported.BACKUP_TIME) == made.timestamp()
    assert registry.get_sample_value(exported.BACKUP_EVERY) == 3600
