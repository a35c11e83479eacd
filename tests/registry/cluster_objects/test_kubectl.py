"""What kubectl shows of our objects, and what the API server keeps away from us: on a real one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from registry.adapters.cluster.api import CONFIG_MAPS, PROMOTIONS
from registry.adapters.cluster.labels import LABEL, LabelMaps
from registry.adapters.cluster.lease import NAME
from registry.adapters.cluster.waking import Waking
from registry.domain.errors import Refused
from tests.registry.cluster_objects.conftest import Namespace
from tests.registry.cluster_objects.real_api import ACCOUNT, NAMESPACE, RealApi

pytestmark = pytest.mark.cluster


@pytest.fixture(params=["real"])
def server(real_api: RealApi) -> RealApi:
    real_api.clear()
    return real_api


@pytest.fixture
def real(server: RealApi) -> RealApi:
    return server


def kubectl(real: RealApi, *arguments: str) -> str:
    ran = real.api.kubectl("ann", "-n", NAMESPACE, *arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_get_promotions_and_get_models_tell_the_story(real: RealApi, served: Namespace) -> None:
    name = served.promote("2")
    served.until(lambda: served.status(name).get("verdict"))
    row = kubectl(real, "get", "promotions", name, "--no-headers").split()
    assert row[1:8] == ["promote", "shapes", "2", "production", "Progressing", "1/2", "10"]
    assert kubectl(real, "get", "models", "--no-headers").split()[:4] == ["shapes", "1", "2", "10"]


def test_wait_returns_when_a_condition_holds(real: RealApi, served: Namespace) -> None:
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Succeeded")
    for condition in ("Accepted", "Complete", "Succeeded"):
        kubectl(real, "wait", f"promotion/{name}", f"--for=condition={condition}", "--timeout=10s")


def test_describe_shows_what_was_decided_as_events(real: RealApi, served: Namespace) -> None:
    name = served.promote("7")
    served.until(lambda: served.phase(name) == "Refused")
    assert "has no version 7" in kubectl(real, "describe", "promotion", name).partition("Events:")[2]


def test_a_change_wakes_the_controller(real: RealApi, namespace: Namespace) -> None:
    wake = threading.Event()
    Waking(real.seen_by(), wake).start()
    end = time.monotonic() + 30
    while not wake.is_set():  # a watch begins some moments after its thread does
        assert time.monotonic() < end
        namespace.promote("2")
        wake.wait(1.0)


def test_labels_are_taken_from_a_config_map_which_is_deleted_then(real: RealApi, served: Namespace) -> None:
    metadata = {"name": "labels-1", "labels": {LABEL: "shapes"}}
    lines = '{"id": "a", "index": 0, "label": "circle"}\n'
    real.create("configmaps", {"kind": "ConfigMap", "metadata": metadata, "data": {"a.jsonl": lines}}, "v1", "root")
    maps = LabelMaps(real.seen_by(), served.home.labels_of)
    maps.look()
    served.until(lambda: "labelled" in served.kinds())
    maps.tell(served.state())
    assert [made for made in real.of("configmaps") if made["metadata"]["name"] == "labels-1"] == []


def test_the_controller_knows_its_own_name(real: RealApi) -> None:
    assert real.seen_by("controller").caller() == ACCOUNT
    assert real.seen_by("ann").caller() == "ann"


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda api: api.create(
            PROMOTIONS, {"kind": "Promotion", "apiVersion": PROMOTIONS.group, "metadata": {"name": "x"}}
        ),
        lambda api: api.patch(PROMOTIONS, "x", {"spec": {"control": {"action": "abort", "by": ACCOUNT}}}),
        lambda api: api.delete(PROMOTIONS, "x", uid="0"),
        lambda api: api.patch(CONFIG_MAPS, "geometry-policy", {"data": {"policy.yaml": ""}}),
        lambda api: api.get(CONFIG_MAPS, "geometry-policy"),
    ],
    ids=["create a promotion", "control one", "delete one", "write the policy", "get a config map"],
)
def test_what_the_controller_never_does_it_may_not_do(real: RealApi, forbidden: Callable[..., object]) -> None:
    with pytest.raises(Refused, match="forbidden"):
        forbidden(real.seen_by("controller"))


def test_a_controller_says_what_a_cluster_lacks_waits_for_it_and_leaves_the_lease_free(
    real: RealApi, tmp_path: Path
) -> None:
    context = {"cluster": "here", "user": "root", "namespace": NAMESPACE}
    cluster = {"server": real.api.url, "insecure-skip-tls-verify": True}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": cluster}],
        "users": [{"name": "root", "user": {"token": real.api.tokens["root"]}}],
        "contexts": [{"name": "here", "context": context}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    controller = subprocess.Popen(
        [sys.executable, "-m", "registry.controller", "--substrate", "cluster", "--http-port", "0"],
        env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "GEOMETRY_CONTEXT": "here",
             "GEOMETRY_HOME": str(tmp_path / "home"), "GEOMETRY_NAMESPACE": NAMESPACE},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    told = next(line for line in controller.stderr or () if "unfit" in line)
    assert "the cluster has no HTTPRoute" in told
    assert controller.poll() is None
    controller.terminate()
    assert controller.wait(timeout=60) == 0
    assert real.get("leases", NAME)["spec"]["holderIdentity"] == ""
