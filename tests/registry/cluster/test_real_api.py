"""What the fake API server is believed to do, asked of a real one: apply, conflicts, generations, lists.

GEOMETRY_CRDS may name a folder with the CRDs of KServe and Gateway API (`…_inferenceservices.yaml`, …): then objects
are held against their schemas, too.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from registry.adapters.cluster.api import AUTOSCALERS, HTTP_ROUTES, INFERENCE_SERVICES, PODS, Api, Resource
from registry.adapters.cluster.sight import look
from registry.adapters.cluster.writing import Fence, Writer, mark
from registry.domain.errors import Conflict, NotFound, Refused, RegistryError
from registry.domain.journal import Anchor
from registry.domain.objects import Object, render
from registry.domain.policy import Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import DEFAULT_MODEL, Version
from registry.manifests import read_templates
from tests.manifests.conftest import api  # noqa: F401 - the server without nodes
from tests.registry.cluster.server import KINDS

pytestmark = pytest.mark.cluster

NAMESPACE = "default"


@pytest.fixture(scope="module")
def real(api) -> Api:  # noqa: F811 - the fixture above
    """A namespace of it where our three kinds are known."""
    settings = client.Configuration(host=api.url)
    settings.verify_ssl, settings.retries = False, 0
    settings.api_key = {"BearerToken": f"Bearer {api.tokens['root']}"}
    for plural in ("inferenceservices", "servingruntimes", "httproutes"):
        made = api.call("root", "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(plural))
        assert made.status_code == 201, made.text
    found = Api(client.ApiClient(settings), NAMESPACE)
    until_served(found)
    return found


def definition(plural: str) -> Object:
    for path in Path(os.environ.get("GEOMETRY_CRDS", "/nonexistent")).glob(f"*_{plural}.yaml"):
        made: Object = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)  # two megabytes
        made["spec"].pop("conversion", None)  # nobody is there to convert
        return made
    (group, version), kind = KINDS[plural][0].split("/"), KINDS[plural][1]
    schema: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    approved = {"api-approved.kubernetes.io": "unapproved, for a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": approved},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def until_served(found: Api) -> None:
    for _ in range(300):
        try:
            look(found)
        except RegistryError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the kinds are not served")


def objects(*weights: int, sequence: int = 1) -> dict[str, Object]:
    made = [RevisionRelease(Version(str(place)), str(place) * 64, weight, 2) for place, weight in enumerate(weights, 1)]
    release = Release(DEFAULT_MODEL, made[0], tuple(made[1:]), None, Anchor(sequence, "a" * 64))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in render(release, read_templates(), Serving())}


@pytest.fixture
def told(real: Api) -> list[str]:
    for resource in (INFERENCE_SERVICES, HTTP_ROUTES):
        for found in real.list(resource):
            real.delete(resource, found["metadata"]["name"], uid=found["metadata"]["uid"])
    return []


@pytest.fixture
def writer(real: Api, told: list[str]) -> Writer:
    return Writer(real, lambda _about, reason, _note: told.append(reason))


def put(real: Api, writer: Writer, made: Object, resource: Resource) -> Object:
    sight = look(real)
    seen = sight.services if resource is INFERENCE_SERVICES else sight.routes
    writer.put(made, seen, Fence(real, DEFAULT_MODEL, mark(sight.routes.get("shapes"))))
    return real.get(resource, made["metadata"]["name"])


def test_what_is_written_again_changes_nothing_and_a_new_anchor_no_generation(real: Api, writer: Writer) -> None:
    first = put(real, writer, objects(90, 10)["HTTPRoute/shapes"], HTTP_ROUTES)
    again = put(real, Writer(real, writer.told), objects(90, 10)["HTTPRoute/shapes"], HTTP_ROUTES)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    later = put(real, writer, objects(90, 10, sequence=2)["HTTPRoute/shapes"], HTTP_ROUTES)
    assert later["metadata"]["generation"] == first["metadata"]["generation"] == 1
    assert later["metadata"]["annotations"]["ml-geometry/anchor"] == f"2:{'a' * 64}"


def test_an_entry_that_is_wanted_no_more_is_gone(real: Api, writer: Writer) -> None:
    assert len(put(real, writer, objects(90, 10)["InferenceService/shapes"], INFERENCE_SERVICES)["spec"]["canary"]) == 1
    assert "canary" not in put(real, writer, objects(100)["InferenceService/shapes"], INFERENCE_SERVICES)["spec"]


def test_an_edit_is_repaired_and_a_field_of_another_hand_stays(real: Api, writer: Writer, told: list[str]) -> None:
    made = objects(100)["InferenceService/shapes"]
    put(real, writer, made, INFERENCE_SERVICES)
    real.patch(INFERENCE_SERVICES, "shapes", {"spec": {"predictor": {"maxReplicas": 77, "nodeSelector": {"a": "b"}}}})
    found = put(real, writer, made, INFERENCE_SERVICES)["spec"]["predictor"]
    assert (found["maxReplicas"], found["nodeSelector"], told) == (10, {"a": "b"}, ["Repaired"])
    real.patch(INFERENCE_SERVICES, "shapes", {"spec": {"predictor": {"nodeSelector": {"a": "c"}}}})
    put(real, writer, made, INFERENCE_SERVICES)
    put(real, writer, made, INFERENCE_SERVICES)
    assert told == ["Repaired", "Foreign"]


@pytest.mark.parametrize("weights", [(100,), (100, 0), (90, 10), (50, 50)])
def test_a_release_is_stored_as_it_is_written(real: Api, writer: Writer, weights: tuple[int, ...]) -> None:
    for made in objects(*weights).values():
        sight, name = look(real), made["metadata"]["name"]
        fence = Fence(real, DEFAULT_MODEL, mark(sight.routes.get("shapes")))
        writer.put(made, sight.of_kind(made["kind"]), fence)
        assert_within(made["spec"], look(real).of_kind(made["kind"])[name]["spec"])


def assert_within(wanted: Any, stored: Any) -> None:
    """All that is wanted is there; a schema may add defaults."""
    if isinstance(wanted, dict):
        assert wanted.keys() <= stored.keys()
        for key, value in wanted.items():
            assert_within(value, stored[key])
    elif isinstance(wanted, list):
        assert len(wanted) == len(stored)
        for one, other in zip(wanted, stored, strict=True):
            assert_within(one, other)
    else:
        assert wanted == stored


def test_who_saw_an_older_object_writes_nothing(real: Api, writer: Writer) -> None:
    made = objects(100)["InferenceService/shapes"]
    put(real, writer, made, INFERENCE_SERVICES)
    seen = look(real).services
    real.patch(INFERENCE_SERVICES, "shapes", {"spec": {"predictor": {"maxReplicas": 77}}})
    with pytest.raises(Conflict):
        writer.put(objects(90, 10)["InferenceService/shapes"], seen, Fence(real, DEFAULT_MODEL, None))


def test_a_status_moves_no_fence_and_another_route_does(real: Api, writer: Writer) -> None:
    put(real, writer, objects(100)["HTTPRoute/shapes"], HTTP_ROUTES)
    fence = Fence(real, DEFAULT_MODEL, mark(real.get(HTTP_ROUTES, "shapes")))
    real.patch(HTTP_ROUTES, "shapes", {"status": {"parents": []}}, part="status")
    fence.check()
    real.patch(HTTP_ROUTES, "shapes", {"spec": {"hostnames": ["other.example"]}})
    with pytest.raises(Conflict):
        fence.check()


def test_only_the_object_that_was_seen_is_deleted(real: Api, writer: Writer) -> None:
    found = put(real, writer, objects(100)["HTTPRoute/shapes"], HTTP_ROUTES)
    with pytest.raises(Conflict):
        real.delete(HTTP_ROUTES, "shapes", uid="another")
    real.delete(HTTP_ROUTES, "shapes", uid=found["metadata"]["uid"])
    real.delete(HTTP_ROUTES, "shapes", uid=found["metadata"]["uid"])
    with pytest.raises(NotFound):
        real.get(HTTP_ROUTES, "shapes")


def test_a_trial_is_not_stored_and_nonsense_is_refused(real: Api) -> None:
    made = objects(100)["InferenceService/shapes"]
    assert real.create(INFERENCE_SERVICES, made, dry_run=True)["metadata"]["name"] == "shapes"
    with pytest.raises(Refused):
        real.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": 7}})


def test_built_in_objects_say_what_they_are(real: Api) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}
    real.apply(AUTOSCALERS, {**scaler, "spec": {"scaleTargetRef": target, "maxReplicas": 1}}, version=None)
    assert [(one["apiVersion"], one["kind"]) for one in real.list(AUTOSCALERS)] == [
        ("autoscaling/v2", "HorizontalPodAutoscaler")
    ]
