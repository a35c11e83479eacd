"""The chart's MLflow: small, behind a login, reached by those who write runs."""

import pytest

from tests.monitoring.chart import CASES, of_kind

CASE = pytest.mark.parametrize("case", CASES)


def mlflow(chart, case="mlflow"):
    (deployment,) = of_kind(chart.case(case), "Deployment").values()
    (box,) = deployment["spec"]["template"]["spec"]["containers"]
    return deployment["spec"]["template"]["spec"], box


def test_mlflow_is_off_where_overlays_bring_their_own(chart):
    assert not of_kind(chart.case("default"), "Deployment")


def test_mlflow_runs_two_processes_and_asks_for_a_login(chart):
    _, box = mlflow(chart)
    assert {"--app-name=basic-auth", "--workers=1"} <= set(box["args"])
    assert {"name": "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "value": "false"} in box["env"]


def test_mlflow_is_never_installed_without_a_login(chart):
    ran = chart.template("--set", "mlflow.enabled=true")
    assert ran.returncode != 0
    assert "mlflow.auth.existingSecret is empty" in ran.stderr


@CASE
def test_nothing_leads_to_mlflow_from_outside(chart, case):
    documents = chart.case(case)
    assert not {found["kind"] for found in documents} & {"HTTPRoute", "Ingress", "Gateway", "GRPCRoute"}
    assert {found["spec"]["type"] for found in of_kind(documents, "Service").values()} <= {"ClusterIP"}


def test_mlflow_lets_only_training_and_controllers_of_the_installations_in(chart):
    (policy,) = of_kind(chart.case("mlflow"), "NetworkPolicy").values()
    ours, tests = policy["spec"]["ingress"][0]["from"]
    assert ours["namespaceSelector"]["matchExpressions"][0]["values"] == ["ml-geometry-staging", "ml-geometry-prod"]
    assert ours["podSelector"]["matchExpressions"][0]["values"] == ["geometry-train", "geometry-controller"]
    assert tests["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "monitoring-test"
    assert "egress" not in policy["spec"]


def test_with_postgresql_and_s3_mlflow_keeps_nothing_itself(chart):
    pod, box = mlflow(chart, "mlflow-elsewhere")
    assert not of_kind(chart.case("mlflow-elsewhere"), "PersistentVolumeClaim")
    assert {name for volume in pod["volumes"] for name in volume} == {"name", "configMap", "emptyDir"}
    assert "--backend-store-uri=postgresql+psycopg2://mlflow@postgresql.databases:5432/mlflow" in box["args"]
    assert "--artifacts-destination=s3://runs" in box["args"]
    (policy,) = of_kind(chart.case("mlflow-elsewhere"), "NetworkPolicy").values()
    assert [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]] == [53, 53, 5432, 9000]


def test_runs_outlive_the_release(chart):
    (claim,) = of_kind(chart.case("mlflow"), "PersistentVolumeClaim").values()
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert claim["spec"]["storageClassName"] == "fast"
