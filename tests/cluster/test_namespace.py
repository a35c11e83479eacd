"""A second installation in the same cluster, which goes away in the middle of a promotion."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.installation import Installation, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

OVERLAY = Path("kustomize/overlays/dev")


@pytest.fixture
def another(installation, tmp_path):
    """The dev overlay in a namespace of its own, with the keys and versions of the one that serves."""
    found = replace(installation, namespace="ml-geometry-e2e")
    base = os.path.relpath(OVERLAY.resolve(), tmp_path.resolve())
    namespace = {"op": "replace", "path": "/metadata/name", "value": found.namespace}
    patch = {"target": {"kind": "Namespace"}, "patch": json.dumps([namespace])}
    (tmp_path / "kustomization.yaml").write_text(
        json.dumps({"namespace": found.namespace, "resources": [base], "patches": [patch]})
    )
    found.kubectl("apply", "--kustomize", str(tmp_path))
    for kind, name in (("secret", "geometry-signing"), ("configmap", "geometry-trust")):
        keys = {**installation.get(kind, name), "metadata": {"name": name}}
        found.kubectl("create", "--filename", "-", given=json.dumps(keys))
    until(found.acting, "its controller acts")
    node, (given, taken) = installation.node, (volume(one, "model-store") for one in (installation, found))
    copied = ["docker", "exec", node, "cp", "-a", f"{given}/models", taken]
    subprocess.run(copied, check=True)
    yield found
    found.kubectl("delete", "namespace", found.namespace, "--ignore-not-found", "--timeout=180s")
    let_go(found)


def volume(installation: Installation, claim: str) -> str:
    """Where the node keeps what a claim is bound to."""
    name = installation.get("persistentvolumeclaim", claim)["spec"]["volumeName"]
    spec = installation.get("persistentvolume", name)["spec"]
    return str((spec.get("hostPath") or spec["local"])["path"])


def let_go(installation: Installation) -> None:
    """Empty the volumes that nobody claims any more, where the cluster keeps them, and let others claim them."""
    for one in installation.get("persistentvolumes")["items"]:
        if one["spec"].get("claimRef", {}).get("namespace") != installation.namespace:
            continue
        path = str((one["spec"].get("hostPath") or one["spec"]["local"])["path"])
        subprocess.run(["docker", "exec", installation.node, "find", path, "-mindepth", "1", "-delete"], check=True)
        free = json.dumps({"spec": {"claimRef": None}})
        installation.kubectl("patch", "persistentvolume", one["metadata"]["name"], "--patch", free)


def test_a_namespace_that_is_deleted_in_the_middle_of_a_promotion_is_gone_and_the_others_serve(installation, another):
    weights = installation.weights()
    until(lambda: "1" in another.told("models/shapes/versions"), "the store's versions are seen")
    promotion = another.ask("promote", version="1", to="production")
    another.wait(promotion, "condition=Accepted")
    until(lambda: another.pods(), "its pods start")
    another.kubectl("delete", "namespace", another.namespace, "--timeout=180s")
    assert installation.weights() == weights
    assert "" not in installation.answers(40)
