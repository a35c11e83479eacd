"""The release that git carries: never a step's weights."""

from registry.domain.objects import Object, predictors
from registry.domain.policy import Serving
from registry.domain.release import Release
from registry.domain.validated import carried, heading, is_carried, validated
from registry.manifests import read_templates
from tests.registry.domain.builders import V1, V2, Installation, idle, promoted, stepping


def shares(found: Release) -> list[tuple[str, int, int]]:
    return [(revision.version, revision.weight, revision.replicas) for revision in found.live]


def test_a_canary_of_any_weight_stands_beside_production_at_none() -> None:
    assert shares(validated(stepping().state)) == [(V1, 100, 4), (V2, 0, 2)]


def test_the_swap_comes_with_the_verdict_and_the_old_version_stays_for_its_window() -> None:
    assert shares(validated(promoted().state)) == [(V2, 100, 4), (V1, 0, 2)]


def test_at_rest_it_is_production_alone() -> None:
    assert shares(validated(idle().state)) == [(V1, 100, 2)]


def test_a_first_version_has_no_route_before_its_verdict() -> None:
    place = Installation(obeys=False)
    place.publish(V1)
    place.turn()
    place.ask("promote", V1, "production")
    place.turn()
    kinds = [one["kind"] for one in objects(validated(place.state))]
    assert kinds == ["ServingRuntime", "InferenceService", "HTTPRoute"]  # the one of tests


def objects(found: Release, *, image: str = "predictor:1", before: tuple[Object, ...] = ()) -> tuple[Object, ...]:
    return carried(found, read_templates(), Serving(image=image), before)


def test_another_image_comes_with_the_next_version_and_both_runtimes_are_there() -> None:
    before = objects(validated(idle().state))
    assert objects(validated(idle().state), image="predictor:2", before=before) == before
    both = objects(validated(stepping().state), image="predictor:2", before=before)
    images = [one["spec"]["containers"][0]["image"] for one in both if one["kind"] == "ServingRuntime"]
    assert sorted(images) == ["predictor:1", "predictor:2"]
    (service,) = [one for one in both if one["kind"] == "InferenceService"]
    one, two = (predictor["model"]["runtime"] for predictor in predictors(service))
    assert one == before[0]["metadata"]["name"] != two


def test_the_heading_names_the_entry_it_follows_from() -> None:
    head = stepping().state.head
    assert f"{head.sequence}:{head.sha256}" in heading(head)


def test_git_brings_what_serves_and_the_controller_what_is_measured() -> None:
    found = validated(idle().state)
    assert is_carried("InferenceService", "shapes", found)
    assert not is_carried("InferenceService", "shapes-staging", found)
    assert not is_carried("HorizontalPodAutoscaler", "shapes-v1-predictor", found)
