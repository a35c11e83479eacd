"""A release as Kubernetes objects."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.errors import InvalidDocument
from registry.domain.journal import NO_ANCHOR, Anchor
from registry.domain.objects import ANCHOR, anchor_text, parse_anchor, render
from registry.domain.policy import Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import Model, Version
from registry.manifests import read_templates

TEMPLATES = read_templates()
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def revision(version: str, weight: int, replicas: int = 1) -> RevisionRelease:
    return RevisionRelease(Version(version), version.replace(".", "").rjust(64, "0"), weight, replicas)


CANARY = Release(
    model=Model("shapes"),
    stable=revision("3", 90, 3),
    canaries=(revision("4", 10, 1),),
    staging=None,
    anchor=Anchor(17, "a" * 64),
)


def objects(release, serving=Serving()):  # noqa: B008 - frozen
    return render(release, TEMPLATES, serving)


def named(release, kind, name="shapes", serving=Serving()):  # noqa: B008 - frozen
    return next(
        item for item in objects(release, serving) if item["kind"] == kind and name in (item["metadata"]["name"], None)
    )


@st.composite
def releases(draw):
    versions = draw(
        st.lists(st.integers(1, 10**11).map(str) | st.just("99.999.99999"), min_size=1, max_size=4, unique=True)
    )
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(versions) - 1, max_size=len(versions) - 1)))
    weights = [high - low for low, high in zip([0, *cuts], [*cuts, 100], strict=True)]
    stable, *canaries = [revision(version, weight) for version, weight in zip(versions, weights, strict=True)]
    model = Model(draw(st.sampled_from(["shapes", "m" * 30])))
    staging = draw(
        st.none() | st.sampled_from(versions).map(lambda version: revision(version, 0)) | st.just(revision("7", 0))
    )
    return Release(model, stable, tuple(canaries), staging, NO_ANCHOR)


@given(releases())
def test_weights_sum_to_100_in_every_rule_and_equal_the_canaries_traffic_percent(release):
    route = named(release, "HTTPRoute", release.model)
    service = named(release, "InferenceService", release.model)
    percents = [canary["trafficPercent"] for canary in service["spec"].get("canary", ())]
    for rule in route["spec"]["rules"]:
        weights = [backend["weight"] for backend in rule["backendRefs"]]
        assert sum(weights) == 100
        assert weights[1:] == percents


@given(releases())
def test_every_name_is_a_dns_label(release):
    for item in objects(release):
        assert LABEL.fullmatch(item["metadata"]["name"])
        for rule in item["spec"].get("rules", ()):
            assert all(LABEL.fullmatch(backend["name"]) for backend in rule["backendRefs"])


@given(releases())
def test_the_same_release_gives_the_same_objects(release):
    assert json.dumps(objects(release)) == json.dumps(objects(release))


def test_nothing_to_run_is_no_object():
    assert objects(Release(Model("shapes"), None, (), None, NO_ANCHOR)) == ()


def test_weights_of_0_make_no_live_route():
    first = replace(CANARY, stable=revision("3", 0), canaries=())
    assert [item["metadata"]["name"] for item in objects(first) if item["kind"] == "HTTPRoute"] == ["shapes-pinned"]


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CANARY, stable=None),
        replace(CANARY, canaries=(revision("4", 20),)),
        replace(CANARY, stable=revision("3", 110), canaries=(revision("4", -10),)),
        replace(CANARY, canaries=(revision("3", 10),)),
        replace(CANARY, canaries=(replace(revision("4", 10), mirror=100),)),
    ],
)
def test_a_release_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidDocument, match="release of shapes"):
        objects(wrong)


def test_the_canary_entry_is_what_kserve_admits():
    (canary,) = named(CANARY, "InferenceService")["spec"]["canary"]
    runtime = objects(CANARY)[0]["metadata"]["name"]
    assert canary == {
        "trafficPercent": 10,
        "predictor": {
            "name": "v4",
            "minReplicas": 1,
            "model": {
                "name": "",
                "modelFormat": {"name": "ml-geometry", "version": "1"},
                "runtime": runtime,
                "protocolVersion": "v2",
                "storageUri": "pvc://model-store/models/shapes/4",
                "env": [{"name": "MODEL_DIGEST", "value": "4".rjust(64, "0")}],
            },
        },
    }


def test_a_swap_of_predictor_and_canary_changes_nothing_else_of_a_revision():
    swapped = replace(CANARY, stable=revision("4", 100), canaries=(revision("3", 0),))
    before, after = (named(release, "InferenceService")["spec"] for release in (CANARY, swapped))
    canary = {key: value for key, value in before["canary"][0]["predictor"]["model"].items() if key != "name"}
    assert after["predictor"]["model"] == canary


def test_stable_replicas_set_both_bounds():
    many = replace(CANARY, stable=revision("3", 90, 14))
    predictor = named(many, "InferenceService")["spec"]["predictor"]
    assert (predictor["name"], predictor["minReplicas"], predictor["maxReplicas"]) == ("v3", 14, 14)


def test_the_runtime_is_named_by_its_content():
    names = {objects(CANARY, Serving(image=image))[0]["metadata"]["name"] for image in (None, "a:1", "b:1", "a:1")}
    assert len(names) == 3
    assert all(re.fullmatch("geometry-[0-9a-f]{8}", name) for name in names)


def test_serving_sets_image_resources_hosts_and_gateway():
    serving = Serving(image="x:1", resources={"limits": {"cpu": "2"}}, hosts=("shapes.test",), gateway={"name": "g"})
    runtime, route = objects(CANARY, serving)[0], named(CANARY, "HTTPRoute", serving=serving)
    container = runtime["spec"]["containers"][0]
    assert (container["image"], container["resources"]) == ("x:1", {"limits": {"cpu": "2"}})
    assert (route["spec"]["hostnames"], route["spec"]["parentRefs"]) == (["shapes.test"], [{"name": "g"}])


def test_the_live_route_marks_requests_and_answers_and_carries_the_anchor():
    route = named(CANARY, "HTTPRoute")
    assert parse_anchor(route["metadata"]["annotations"][ANCHOR]) == CANARY.anchor
    for rule in route["spec"]["rules"]:
        modifier = rule["filters"][0]["requestHeaderModifier"]
        assert modifier == {"set": [{"name": "x-traffic", "value": "live"}], "remove": ["x-revision"]}
        answered = [backend["filters"][0]["responseHeaderModifier"]["set"] for backend in rule["backendRefs"]]
        assert answered == [[{"name": "x-revision", "value": name}] for name in ("v3", "v4")]


def test_a_mirrored_canary_has_weight_0_and_a_copy_of_every_rule_at_its_own_port():
    mirrored = replace(CANARY, stable=revision("3", 100), canaries=(replace(revision("4", 0), mirror=100),))
    rules = named(mirrored, "HTTPRoute")["spec"]["rules"]
    found = [[entry["requestMirror"] for entry in rule["filters"] if "requestMirror" in entry] for rule in rules]
    assert found == [[{"backendRef": {"name": "shapes-v4-predictor", "port": port}}] for port in (8081, 80)]
    assert [ref["weight"] for rule in rules for ref in rule["backendRefs"]] == [100, 0, 100, 0]


def test_a_share_of_copies_is_said():
    mirrored = replace(CANARY, stable=revision("3", 100), canaries=(replace(revision("4", 0), mirror=20),))
    assert named(mirrored, "HTTPRoute")["spec"]["rules"][0]["filters"][-1]["requestMirror"]["percent"] == 20


def test_without_a_mirror_no_rule_has_one():
    assert "RequestMirror" not in json.dumps(objects(CANARY))


def test_another_variant_is_an_argument_of_the_revision_alone():
    chosen = replace(CANARY, canaries=(replace(revision("4", 10), variant="int8"),))
    spec = named(chosen, "InferenceService")["spec"]
    assert "args" not in spec["predictor"]["model"]
    assert spec["canary"][0]["predictor"]["model"]["args"] == ["--variant", "int8"]
    assert objects(chosen)[0] == objects(CANARY)[0]


def test_only_public_paths_are_open():
    paths = [
        match["path"]["value"]
        for name in ("shapes", "shapes-pinned")
        for rule in named(CANARY, "HTTPRoute", name)["spec"]["rules"]
        for match in rule["matches"]
    ]
    assert not {"/", "/v2/", "/metrics", "/outcomes"} & set(paths)
    assert not any(path.startswith("/v2/repository") for path in paths)


def test_grpc_goes_to_the_port_that_speaks_http2():
    ports = {
        rule["matches"][0]["path"]["value"]: {backend["port"] for backend in rule["backendRefs"]}
        for rule in named(CANARY, "HTTPRoute")["spec"]["rules"]
    }
    assert ports == {"/inference.GRPCInferenceService": {8081}, "/v1/models": {80}}


def test_the_pinned_route_reaches_each_revision_by_header():
    rules = named(CANARY, "HTTPRoute", "shapes-pinned")["spec"]["rules"]
    for rule in rules:
        (backend,) = rule["backendRefs"]
        for match in rule["matches"]:
            (header,) = match["headers"]
            assert backend["name"] == f"shapes-{header['value']}-predictor"
    assert [rule["backendRefs"][0]["name"] for rule in rules[::2]] == ["shapes-v3-predictor", "shapes-v4-predictor"]


def test_staging_is_a_service_of_its_own_without_live_route():
    staged = replace(CANARY, staging=revision("5", 0))
    service = named(staged, "InferenceService", "shapes-staging")
    assert service["spec"]["predictor"]["name"] == "v5"
    assert "canary" not in service["spec"]
    route = named(staged, "HTTPRoute", "shapes-staging-pinned")
    assert {rule["backendRefs"][0]["name"] for rule in route["spec"]["rules"]} == {"shapes-staging-v5-predictor"}


@given(st.integers(0, 10**9))
def test_an_anchor_survives_its_text(sequence):
    anchor = Anchor(sequence, "0a" * 32)
    assert parse_anchor(anchor_text(anchor)) == anchor


@pytest.mark.parametrize("text", ["", "17", "x:" + "0" * 64, "17:abc"])
def test_a_text_that_is_no_anchor_is_refused(text):
    with pytest.raises(InvalidDocument, match="anchor"):
        parse_anchor(text)


def test_two_installations_behind_one_gateway_have_tests_of_their_own():
    def hosts(namespace):
        found = replace(CANARY, staging=revision("5", 0))
        made = render(found, replace(TEMPLATES, namespace=namespace), Serving())
        return [one["spec"]["hostnames"] for one in made if one["metadata"]["name"].endswith("-pinned")]

    assert hosts("a") == [["shapes.a.pinned.internal"], ["shapes-staging.a.pinned.internal"]]
    assert hosts(None) == [["shapes.pinned.internal"], ["shapes-staging.pinned.internal"]]
