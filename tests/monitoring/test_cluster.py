"""The chart in a real cluster: everything is taken, finds the installation's pods, and leaves nothing behind.

GEOMETRY_CONTEXT names the cluster. What needs an image asks for it: GEOMETRY_MLFLOW_IMAGE (default: the trainer's),
GEOMETRY_PROMETHEUS_IMAGE (any with /usr/bin/prometheus, such as Debian's; without it no Prometheus is started).
"""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.manifests.conftest import program
from tests.monitoring.chart import CRDS, Chart, Object, of_kind
from tests.monitoring.expressions import RULES
from tests.monitoring.scraped import scrape_config

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

CONTEXT = os.environ.get("GEOMETRY_CONTEXT", "kind-geometry")
INSTALLATION = os.environ.get("GEOMETRY_NAMESPACE", "ml-geometry-dev")
MLFLOW = os.environ.get("GEOMETRY_MLFLOW_IMAGE", "ml-geometry/trainer:0.1.0")
PROMETHEUS = os.environ.get("GEOMETRY_PROMETHEUS_IMAGE", "")


@dataclass(frozen=True)
class Place:
    """A namespace of its own, and a chart to install there."""

    namespace: str
    chart: Chart
    kubectl_path: str

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Its stdout; a failure is an AssertionError with its stderr."""
        command = [self.kubectl_path, "--context", CONTEXT, "--namespace", self.namespace, *arguments]
        ran = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"kubectl {' '.join(arguments)}: {ran.stderr}"
        return ran.stdout

    def get(self, *what: str) -> list[Object]:
        """Items of a list."""
        items: list[Object] = json.loads(self.kubectl("get", *what, "--output", "json"))["items"]
        return items

    def apply(self, *documents: Object) -> None:
        self.kubectl("apply", "--server-side", "--filename", "-", given=yaml.safe_dump_all(documents))

    def helm(self, *arguments: str) -> str:
        named = ("--kube-context", CONTEXT, "--namespace", self.namespace)
        kubeconfig = os.environ.get("KUBECONFIG", os.path.expanduser("~/.kube/config"))  # noqa: PTH111
        ran = self.chart.asked(*arguments, *named, "--kubeconfig", kubeconfig)
        assert ran.returncode == 0, f"helm {' '.join(arguments)}: {ran.stderr}{ran.stdout}"
        return ran.stdout


@pytest.fixture(scope="module")
def place(chart) -> Iterator[Place]:
    """With the operator's definitions; those that were not there go again with the namespace."""
    found = Place(f"monitoring-test-{secrets.token_hex(3)}", chart, program("kubectl"))
    asked = [found.kubectl_path, "--context", CONTEXT, "get", "namespace", INSTALLATION, "--request-timeout=10s"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        pytest.skip(f"{CONTEXT}: no installation {INSTALLATION} ({ran.stderr.strip()}): make kind-up")
    there = {part["metadata"]["name"] for part in found.get("customresourcedefinitions")}
    definitions = [json.loads(path.read_text()) for path in sorted(CRDS.glob("*.json"))]
    new = [part for part in definitions if part["metadata"]["name"] not in there]
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"name": found.namespace, "labels": label}
    try:
        found.apply(*new, {"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
        yield found
    finally:
        found.kubectl("delete", "namespace", found.namespace, "--ignore-not-found")
        for part in new:
            found.kubectl("delete", "customresourcedefinition", part["metadata"]["name"])


@pytest.fixture(scope="module")
def installed(place) -> Iterator[Place]:
    """The chart without the stack, with MLflow; gone afterwards."""
    login = {"username": "admin", "password": secrets.token_urlsafe(16), "secret-key": secrets.token_urlsafe(32)}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mlflow-login"}, "stringData": login}
    place.apply(secret)
    values = (
        "kube-prometheus-stack.enabled=false",
        f"installations={{{INSTALLATION}}}",
        "mlflow.enabled=true",
        f"mlflow.image={MLFLOW}",
        "mlflow.auth.existingSecret=mlflow-login",
        "tests.prometheus=",
    )
    place.helm("install", "monitoring", str(place.chart.folder), "--set", ",".join(values), "--wait", "--timeout=600s")
    yield place
    if "monitoring" in place.helm("list", "--short"):
        place.helm("uninstall", "monitoring")


def test_the_server_takes_every_object(installed):
    made = of_kind(installed.chart.rendered("--set", "kube-prometheus-stack.enabled=false"), "PrometheusRule")
    assert {part["metadata"]["name"] for part in installed.get("prometheusrules")} == set(made)
    names = {part["metadata"]["name"] for part in installed.get("podmonitors")}
    assert names == {"monitoring-predictors", "monitoring-controller", "monitoring-gateway"}
    assert len(installed.get("alertmanagerconfigs")) == 1


def found_by(place: Place, name: str, *where: str) -> set[str]:
    """Pods that the server finds by a monitor's selector."""
    (monitor,) = (part for part in place.get("podmonitors") if part["metadata"]["name"] == name)
    selector = monitor["spec"]["selector"]
    asked = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    rules = selector.get("matchExpressions", ())
    asked += [rule["key"] for rule in rules if rule["operator"] == "Exists"]
    asked += [f"{rule['key']} in ({','.join(rule['values'])})" for rule in rules if rule["operator"] == "In"]
    return {part["metadata"]["name"] for part in place.get("pods", *where, "--selector", ",".join(asked))}


def test_monitors_find_the_installations_pods_and_no_others(installed):
    there = installed.get("pods", "--namespace", INSTALLATION)
    labels = {part["metadata"]["name"]: part["metadata"]["labels"] for part in there}
    predictors = {name for name, own in labels.items() if "serving.kserve.io/inferenceservice" in own}
    controllers = {name for name, own in labels.items() if own.get("app.kubernetes.io/name") == "geometry-controller"}
    assert predictors
    assert found_by(installed, "monitoring-predictors", "--namespace", INSTALLATION) == predictors
    assert found_by(installed, "monitoring-controller", "--namespace", INSTALLATION) == controllers
    assert found_by(installed, "monitoring-gateway", "--namespace", "envoy-gateway-system")


def test_mlflow_lets_nobody_in_without_a_login_and_the_administrator_with_it(installed):
    assert "Succeeded" in installed.helm("test", "monitoring", "--timeout", "300s")


def test_prometheus_reads_the_pods_and_our_rules(installed):
    if not PROMETHEUS:
        pytest.skip("GEOMETRY_PROMETHEUS_IMAGE names no image in the cluster with a Prometheus")
    started(installed)
    labels = targets_up(installed)
    assert {(part["job"], part["namespace"]) for part in labels} == {
        ("ml-geometry-predictor", INSTALLATION),
        ("ml-geometry-controller", INSTALLATION),
        ("ml-geometry-gateway", "envoy-gateway-system"),
    }
    for part in (part for part in labels if part["job"] == "ml-geometry-predictor"):
        assert part["pod"].startswith(f"{part['service']}-{part['revision']}-predictor-")
        assert set(part) == {"job", "namespace", "pod", "instance", "service", "revision"}
    files = [yaml.safe_load(path.read_text()) for path in RULES.glob("*.yaml")]
    groups = {group["name"] for group in asked(installed, "rules")["groups"]}
    assert groups == {group["name"] for file in files for group in file["groups"]}


def started(place: Place) -> None:
    """A Prometheus that reads what the operator would make of the monitors, and the rules of the rule objects."""
    pods = place.get("pods", "--all-namespaces")
    scraped = [scrape_config(monitor, pods) for monitor in place.get("podmonitors")]
    rules = {f"{part['metadata']['name']}.yaml": yaml.safe_dump(part["spec"]) for part in place.get("prometheusrules")}
    config = {"rule_files": ["/etc/monitoring/*.yaml"], "scrape_configs": scraped}
    files = {"prometheus.yml": yaml.safe_dump(config), **rules}
    place.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prometheus"}, "data": files},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "prometheus"}, "spec": prometheus_pod()},
    )
    place.kubectl("wait", "pod/prometheus", "--for=condition=Ready", "--timeout=180s")


def prometheus_pod() -> Object:
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    box = {
        "name": "prometheus",
        "image": PROMETHEUS,
        "command": ["/usr/bin/prometheus"],
        "args": ["--config.file=/etc/monitoring/prometheus.yml", "--storage.tsdb.path=/data"],
        "securityContext": restricted,
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 2},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/monitoring"}, {"name": "data", "mountPath": "/data"}],
    }
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [box],
        "volumes": [{"name": "config", "configMap": {"name": "prometheus"}}, {"name": "data", "emptyDir": {}}],
    }


def asked(place: Place, path: str) -> Object:
    """Prometheus's answer, through the API server."""
    proxy = f"/api/v1/namespaces/{place.namespace}/pods/prometheus:9090/proxy/api/v1/{path}"
    data: Object = json.loads(place.kubectl("get", "--raw", proxy))["data"]
    return data


def targets_up(place: Place) -> list[dict[str, str]]:
    """Labels of the targets that are up, once a predictor, the controller and the gateway are; or after two minutes."""
    end = time.monotonic() + 120
    up: list[dict[str, str]] = []
    while time.monotonic() < end:
        up = [
            part["labels"] for part in asked(place, "targets?state=active")["activeTargets"] if part["health"] == "up"
        ]
        if len({part["job"] for part in up}) == 3:
            break
        time.sleep(2)
    return up


def test_uninstalling_leaves_the_runs_and_nothing_else(installed):
    installed.helm("uninstall", "monitoring", "--wait", "--timeout=300s")
    ended = ("--selector=app.kubernetes.io/instance=monitoring", "--for=delete", "--timeout=120s")
    installed.kubectl("wait", "pods", *ended)
    kinds = "all,configmaps,serviceaccounts,networkpolicies,persistentvolumeclaims,podmonitors,prometheusrules"
    left = {(part["kind"], part["metadata"]["name"]) for part in installed.get(f"{kinds},alertmanagerconfigs")}
    own = {("ConfigMap", "prometheus"), ("Pod", "prometheus")}
    usual = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
    assert left - own - usual == {("PersistentVolumeClaim", "monitoring-mlflow")}
