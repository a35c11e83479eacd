"""The chart in all its cases: valid, restricted, without a password, and the values it takes."""

import json
import re
import subprocess

import pytest
from jsonschema import ValidationError

from tests.manifests.rendered import containers, pod_templates
from tests.monitoring.chart import (
    CASES,
    KUBERNETES,
    STACK,
    custom_kinds,
    of_kind,
    validate_custom,
    values,
)
from tests.monitoring.expressions import CHART

CASE = pytest.mark.parametrize("case", CASES)
SECRET = re.compile(r"(?i)pass(word)?|secret|token|credential|api.?key")


@CASE
def test_a_case_is_valid(chart, case):
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is missing: make install")
    for document in chart.case(case):
        if document["kind"] in custom_kinds():
            validate_custom(document)
        else:
            validator.validate(document, KUBERNETES, strict=True)


def test_a_misspelt_field_of_a_monitor_is_found(chart):
    monitor = of_kind(chart.case("default"), "PodMonitor")["monitoring-predictors"]
    monitor["spec"]["podMetricsEndpoints"][0]["relabelling"] = []
    with pytest.raises(ValidationError, match="relabelling"):
        validate_custom(monitor)


@CASE
def test_a_case_passes_lint(chart, case):
    values = str(CHART / "ci" / f"{case}-values.yaml")
    ran = chart.asked("lint", str(chart.folder), "--strict", "--kube-version", f"{KUBERNETES}.0", "--values", values)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@CASE
def test_every_object_lies_in_the_releases_namespace_and_is_written_once(chart, case):
    documents = [found for found in chart.case(case) if found["metadata"]["name"] != "given-to-the-stack"]
    names = [(found["kind"], found["metadata"]["name"]) for found in documents]
    assert len(names) == len(set(names))
    assert {found["metadata"]["namespace"] for found in documents} <= {"monitoring"}
    assert {found["metadata"]["labels"]["app.kubernetes.io/part-of"] for found in documents} <= {"ml-geometry"}


def test_every_part_can_be_left_out(chart):
    assert chart.case("nothing") == ()


@CASE
def test_no_case_holds_a_password(chart, case):
    """Secrets are named, never made; what looks like one refers to one."""
    documents = chart.case(case)
    assert not of_kind(documents, "Secret")
    for deployment in of_kind(documents, "Deployment").values():
        (box,) = deployment["spec"]["template"]["spec"]["containers"]
        for variable in box["env"]:
            assert "valueFrom" in variable or not re.search(r"PASSWORD|SECRET|ACCESS_KEY", variable["name"]), variable
    for held in of_kind(documents, "ConfigMap").values():
        assert not re.search(r"admin_password|://\w+:[^@\s]+@", held["data"].get("login.ini", ""))


def test_no_value_is_a_password():
    def leaves(value, path=""):
        if isinstance(value, dict):
            for key, part in value.items():
                yield from leaves(part, f"{path}.{key}")
        else:
            yield path, value

    named = {path: value for path, value in leaves(values()) if SECRET.search(path) and isinstance(value, str)}
    assert named
    assert all(value == "" for value in named.values()), named


@CASE
def test_pods_are_restricted(chart, case):
    for document in chart.case(case):
        for pod in [document["spec"]] if document["kind"] == "Pod" else list(pod_templates(document)):
            assert pod["automountServiceAccountToken"] is False
            for box in containers(pod):
                seen = {**pod["securityContext"], **box["securityContext"]}
                assert (seen["runAsNonRoot"], seen["allowPrivilegeEscalation"]) == (True, False)
                assert seen["capabilities"] == {"drop": ["ALL"]}
                assert seen["seccompProfile"] == {"type": "RuntimeDefault"}
                assert seen["readOnlyRootFilesystem"] is True
                assert set(box["resources"]["limits"]) == {"cpu", "memory"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("monitors.interval=soon", "/monitors/interval"),
        ("mlflow.imagePullPolicy=Sometimes", "/mlflow/imagePullPolicy"),
        ("mlflow.postgresql.port=99999", "/mlflow/postgresql/port"),
        ("mlflow.auth.password=hunter2", "password"),
        ("rules.documentation=https://git.example/without-an-end", "/rules/documentation"),
        ("installations={Not A Namespace}", "/installations/0"),
        ("monitor.enabled=false", "monitor"),
        ("alerts.receivers.everybody.webhookConfigs={}", "everybody"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(chart, wrong, said):
    ran = chart.template("--set", wrong)
    assert ran.returncode != 0
    assert "values don't meet the specifications of the schema" in ran.stderr
    assert said.strip("/").replace("/", ".") in ran.stderr.replace("/", ".")


def test_the_schema_knows_every_value():
    def named(schema, values, path=""):
        for key, value in values.items():
            assert key in schema["properties"], f"{path}{key}"
            if isinstance(value, dict) and "properties" in schema["properties"][key] and key != STACK:
                named(schema["properties"][key], value, f"{path}{key}.")

    named(json.loads((CHART / "values.schema.json").read_text()), values())


@CASE
def test_the_notes_name_services_that_there_are(chart, case):
    notes = chart.notes("--values", str(CHART / "ci" / f"{case}-values.yaml"))
    services = set(of_kind(chart.case(case), "Service"))
    stack = {"grafana", "prometheus-stack-prometheus", "prometheus-stack-alertmanager"}
    assert set(re.findall(r"service/(\S+)", notes)) <= services | stack


def test_a_release_of_another_name_and_namespace_has_its_own_names(chart):
    names = {
        found["metadata"]["name"] for found in chart.rendered(release="models") if "namespace" in found["metadata"]
    }
    assert all(name.startswith("models-monitoring") for name in names)


def test_what_makes_the_chart_is_not_in_its_archive(chart, tmp_path):
    ran = chart.asked("package", str(chart.folder), "--destination", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    (archive,) = tmp_path.glob("monitoring-*.tgz")
    names = subprocess.run(["tar", "tzf", archive], capture_output=True, text=True, check=True).stdout.split()
    parts = {name.split("/")[1] for name in names}
    wanted = {
        "Chart.lock",
        "Chart.yaml",
        "charts",
        "dashboards",
        "files",
        "templates",
        "values.schema.json",
        "values.yaml",
    }
    assert parts - {".helmignore"} == wanted
