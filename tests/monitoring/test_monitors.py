"""Monitors find the pods that this project and KServe make, and no others, and name them rightly."""

import re
import subprocess

import pytest
import yaml

from tests.manifests.conftest import program
from tests.manifests.rendered import manifest, released
from tests.monitoring.chart import custom_kinds, of_kind
from tests.monitoring.scraped import scrape_config


def monitors(chart, *flags):
    return of_kind(chart.rendered(*flags), "PodMonitor")


def selected(selector, labels):
    """Kubernetes' own meaning of a selector, as far as the chart uses it."""
    expressions = selector.get("matchExpressions", ())
    assert {found["operator"] for found in expressions} <= {"In", "Exists"}
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        found["key"] in labels and labels[found["key"]] in found.get("values", [labels[found["key"]]])
        for found in expressions
    )


def pod_of(service, revision):
    """Labels that KServe puts on the pods of a revision: the InferenceService's own and these."""
    (found,) = (
        part for part in released() if part["kind"] == "InferenceService" and part["metadata"]["name"] == service
    )
    own = {"app": f"isvc.{service}-{revision}-predictor", "serving.kserve.io/inferenceservice": service}
    return {**found["metadata"]["labels"], **own, "component": "predictor"}


@pytest.mark.parametrize("service", ["shapes", "shapes-staging"])
def test_the_monitor_of_predictors_finds_the_pods_that_kserve_makes_and_no_others(chart, service):
    selector = monitors(chart)["monitoring-predictors"]["spec"]["selector"]
    assert selected(selector, pod_of(service, "v3"))
    assert not selected(selector, {**pod_of(service, "v3"), "app.kubernetes.io/part-of": "another"})
    assert not selected(selector, manifest("registry/deployment.yaml")["spec"]["template"]["metadata"]["labels"])


def test_the_monitor_of_the_controller_finds_its_pod_alone(chart):
    selector = monitors(chart)["monitoring-controller"]["spec"]["selector"]
    assert selected(selector, manifest("registry/deployment.yaml")["spec"]["template"]["metadata"]["labels"])
    assert not selected(selector, pod_of("shapes", "v3"))


def test_monitors_ask_ports_that_the_pods_have(chart):
    asked = {name: monitor["spec"]["podMetricsEndpoints"][0]["port"] for name, monitor in monitors(chart).items()}
    predictor = {port["name"] for port in manifest("predictor/servingruntime.yaml")["spec"]["containers"][0]["ports"]}
    (box,) = manifest("registry/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    assert asked["monitoring-predictors"] in predictor
    assert asked["monitoring-controller"] in {port["name"] for port in box["ports"]}


def relabelled(monitor, labels):
    """Prometheus' own meaning of the relabelling of a target, as far as the chart uses it."""
    found = {"job": "monitoring/x", "container": "c", "endpoint": "http", **labels}
    for rule in monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]:
        source = ";".join(found.get(name, "") for name in rule.get("sourceLabels", ()))
        match = re.fullmatch(rule.get("regex", "(.*)"), source)
        action = rule.get("action", "replace")
        if action == "labeldrop":
            found = {name: value for name, value in found.items() if not re.fullmatch(rule["regex"], name)}
        if action == "replace" and match:
            found[rule["targetLabel"]] = match.expand(rule.get("replacement", "$1").replace("$1", r"\1"))
    return {name: value for name, value in found.items() if not name.startswith("__")}


@pytest.mark.parametrize(
    ("service", "revision"), [("shapes", "v3"), ("shapes-staging", "v1-0-0"), ("my-v2-shapes", "v12")]
)
def test_a_predictors_series_bear_service_and_revision(chart, service, revision):
    seen = {
        "__meta_kubernetes_pod_label_serving_kserve_io_inferenceservice": service,
        "__meta_kubernetes_pod_label_app": f"isvc.{service}-{revision}-predictor",
    }
    found = relabelled(monitors(chart)["monitoring-predictors"], seen)
    assert found == {"job": "ml-geometry-predictor", "service": service, "revision": revision}


def test_prometheus_understands_what_the_operator_makes_of_monitors(chart, tmp_path):
    promtool = program("promtool")
    pod = {
        "metadata": {"namespace": "x", "name": "y", "labels": pod_of("shapes", "v3")},
        "status": {"phase": "Running"},
    }
    box = {"name": "kserve-container", "ports": [{"name": "http1", "containerPort": 8080}]}
    scraped = [scrape_config(found, [{**pod, "spec": {"containers": [box]}}]) for found in monitors(chart).values()]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": scraped}))
    command = [promtool, "check", "config", tmp_path / "prometheus.yml"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_monitors_look_everywhere_or_where_they_are_told(chart):
    assert {str(found["spec"]["namespaceSelector"]) for found in monitors(chart).values()} == {
        "{'any': True}",
        "{'matchNames': ['envoy-gateway-system']}",
    }
    named = monitors(chart, "--set", "installations={one,two}")["monitoring-predictors"]
    assert named["spec"]["namespaceSelector"] == {"matchNames": ["one", "two"]}


def test_the_labels_of_somebody_elses_prometheus_are_on_all_that_it_selects(chart):
    wanted = {found["kind"]: found["metadata"]["labels"].get("release") for found in chart.case("own-prometheus")}
    assert {wanted[kind] for kind in custom_kinds()} == {"prometheus"}
