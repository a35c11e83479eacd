"""The release that follows from a state."""

from dataclasses import replace

import pytest

from registry.domain.errors import NotFound
from registry.domain.journal import Draft, Kind
from registry.domain.policy import Serving
from registry.domain.release import Release
from registry.domain.state import State, canary_replicas, release
from registry.domain.version import Version
from tests.registry.domain.builders import MODEL, QUICK, V1, V2, V3, Installation, digest, idle, promoted, stepping


def live(found: Release) -> list[tuple[Version, int]]:
    return [(revision.version, revision.weight) for revision in found.live]


def test_a_model_without_versions_releases_nothing() -> None:
    found = release(State(MODEL))
    assert (found.live, found.staging, found.weights) == ((), None, {})


def test_the_first_version_starts_without_traffic() -> None:
    place = Installation(obeys=False)
    place.publish(V1)
    place.turn()
    place.ask("promote", V1, "production")
    place.turn()
    found = release(place.state)
    assert live(found) == [(V1, 0)]
    assert found.weights == {}


def test_a_canary_shares_the_route_with_production() -> None:
    assert live(release(stepping().state)) == [(V1, 90), (V2, 10)]


def test_a_withheld_canary_stays_at_weight_zero() -> None:
    place = stepping()
    place.running[V2].ready = False
    place.turn()
    assert live(release(place.state)) == [(V1, 100), (V2, 0)]


def test_in_the_rollback_window_the_version_before_waits_at_weight_zero_with_its_pods() -> None:
    found = release(promoted().state)
    assert live(found) == [(V2, 100), (V1, 0)]
    assert found.canaries[0].replicas == 2


def test_staging_runs_beside_the_route_until_it_becomes_the_canary() -> None:
    place = idle()
    place.ask("promote", V3, "staging")
    place.turn()
    staged = release(place.state).staging
    assert staged is not None
    assert (staged.version, staged.digest) == (V3, digest(V3))
    place.ask("promote", V3, "production")
    place.turn()
    assert release(place.state).staging is None
    assert live(release(place.state)) == [(V1, 100), (V3, 0)]


def test_a_release_names_the_entry_it_was_made_from() -> None:
    place = idle()
    assert release(place.state).anchor == place.entries[-1].anchor


def test_an_unknown_version_is_named_beside_the_known_ones() -> None:
    with pytest.raises(NotFound, match="shapes has no version 9; published last are: 1, 2, 3"):
        idle().state.version(Version("9"))


@pytest.mark.parametrize(
    ("stable", "weight", "replicas"),
    [(2, 5, 1), (2, 10, 1), (2, 25, 1), (2, 50, 2), (10, 5, 1), (10, 10, 2), (10, 25, 4), (10, 50, 10), (3, 0, 1)],
)
def test_a_canary_has_the_pods_its_weight_needs(stable: int, weight: int, replicas: int) -> None:
    assert canary_replicas(stable, weight) == replicas


def test_a_restored_weight_needs_its_step() -> None:
    place = stepping()
    place.record(Draft(Kind.STEPPED, "controller", {"version": V2, "step": 1, "weight": 50}))
    assert live(release(place.state)) == [(V1, 50), (V2, 50)]


def test_production_keeps_its_pods_after_the_rollback_window() -> None:
    place = promoted(replace(QUICK, serving=Serving(min_replicas=3)))
    place.turns(lambda it: it.state.guarding is None)
    stable = release(place.state).stable
    assert stable is not None
    assert stable.replicas == 3
