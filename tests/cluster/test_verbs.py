"""The controller's Role against the API server's audit log: every verb that it has was used, and no other was tried.

It runs last: what it reads is what the controller did in all tests of this folder.
"""

import json

import pytest

from tests.cluster.installation import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

EVERYBODYS = ("authentication.k8s.io", "authorization.k8s.io")
"""What any caller may ask about itself."""


@pytest.fixture(scope="module")
def done(installation, audit, candidate):
    """What the controller did, after the few things that no other test asks of it."""
    digest = installation.get("model", "shapes")["status"]["production"]["digest"]
    labels = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "said", "labels": {"ml-geometry/labels": "shapes"}},
    }
    labels["data"] = {"labels.jsonl": json.dumps({"id": "nobody", "index": 0, "label": "circle"})}
    installation.kubectl("create", "--filename", "-", given=json.dumps(labels))
    installation.kubectl("delete", "model", "shapes")
    installation.kubectl("delete", "httproute", "shapes-pinned", "--ignore-not-found")
    installation.kubectl("delete", "lease", "geometry-controller")
    installation.approve(candidate, digest)
    until(lambda: not installation.kubectl("get", "configmap", "said", "--ignore-not-found"), "labels are taken")
    until(lambda: installation.kubectl("get", "model", "shapes", "--ignore-not-found"), "the Model is made again")
    until(lambda: installation.kubectl("get", "lease", "geometry-controller", "--ignore-not-found"), "a Lease is held")
    return [event for event in audit() if event.get("objectRef", {}).get("apiGroup") not in EVERYBODYS]


def verbs(event) -> set[tuple[str, str, str]]:
    """Verb, group and resource that an event took. What an apply creates is authorised as both."""
    asked = event["objectRef"]
    resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
    created = event["verb"] == "patch" and event["responseStatus"]["code"] == 201
    every = {event["verb"], "create"} if created else {event["verb"]}
    return {(verb, asked.get("apiGroup", ""), resource) for verb in every}


def allowed(installation) -> set[tuple[str, str, str]]:
    return {
        (verb, group, resource)
        for rule in installation.get("role", "geometry-controller")["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_controller_was_never_forbidden_anything(done):
    assert [event["requestURI"] for event in done if event["responseStatus"].get("code") == 403] == []


def test_the_role_has_exactly_the_verbs_that_were_used(installation, done):
    used = set().union(*(verbs(event) for event in done if "objectRef" in event))
    assert used == allowed(installation)


def test_nothing_was_asked_outside_of_its_namespace(installation, done):
    elsewhere = {
        event["requestURI"] for event in done if event.get("objectRef", {}).get("namespace") != installation.namespace
    }
    assert {uri for uri in elsewhere if uri.startswith(("/api/v1/", "/apis/")) and uri.count("/") > 4} == set()
