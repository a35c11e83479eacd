"""The chart in all its cases: valid, restricted, without a password, and finding what the project really makes."""

import json
import re
import subprocess

import pytest
import yaml
from jsonschema import ValidationError

from tests.manifests.conftest import program
from tests.manifests.rendered import containers, manifest, pod_templates, released
from tests.monitoring.chart import CASES, KUBERNETES, STACK, Chart, custom_kinds, of_kind, pinned, validate_custom
from tests.monitoring.expressions import CHART, DASHBOARDS, RULES
from tests.monitoring.scraped import scrape_config

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


# What monitors find


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
    """Prometheus' own meaning of the relabelling of a target, as far as the chart uses it; None: dropped."""
    found = {"job": "monitoring/x", "container": "c", "endpoint": "http", **labels}
    for rule in monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]:
        source = ";".join(found.get(name, "") for name in rule.get("sourceLabels", ()))
        match = re.fullmatch(rule.get("regex", "(.*)"), source)
        action = rule.get("action", "replace")
        if action == "drop" and match:
            return None
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
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_label_serving_kserve_io_inferenceservice": service,
        "__meta_kubernetes_pod_label_app": f"isvc.{service}-{revision}-predictor",
    }
    found = relabelled(monitors(chart)["monitoring-predictors"], seen)
    assert found == {"job": "ml-geometry-predictor", "service": service, "revision": revision}


def test_a_pod_that_ended_is_no_target(chart):
    assert all(
        relabelled(monitor, {"__meta_kubernetes_pod_phase": "Failed"}) is None for monitor in monitors(chart).values()
    )


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


# Rules, routes, dashboards


def test_every_rule_file_is_a_rule_object_with_the_same_rules(chart):
    objects = of_kind(chart.rendered(), "PrometheusRule")
    files = {f"monitoring-{path.stem}": yaml.safe_load(path.read_text()) for path in RULES.glob("*.yaml")}
    assert {name: found["spec"] for name, found in objects.items()} == files


def test_runbooks_are_linked_to_where_the_pages_are(chart):
    at = "https://git.example/ml-geometry/blob/main/"
    told = json.dumps(list(of_kind(chart.case("full"), "PrometheusRule").values()))
    links = re.findall(r'"runbook_url": "([^"]+)"', told)
    assert all(link.startswith(f"{at}docs/runbooks/") for link in links)
    assert len(links) == json.dumps([yaml.safe_load(path.read_text()) for path in RULES.glob("*.yaml")]).count(
        '"alert":'
    )


def test_routes_and_inhibitions_are_those_of_the_file(chart):
    file = yaml.safe_load((CHART / "files" / "alertmanager.yaml").read_text())
    (found,) = of_kind(chart.case("full"), "AlertmanagerConfig").values()
    spec = found["spec"]

    def said(matchers):
        return [f'{part["name"]}{part["matchType"]}"{part["value"]}"' for part in matchers]

    assert [said(part["sourceMatch"]) for part in spec["inhibitRules"]] == [
        part["source_matchers"] for part in file["inhibit_rules"]
    ]
    assert [said(part["targetMatch"]) for part in spec["inhibitRules"]] == [
        part["target_matchers"] for part in file["inhibit_rules"]
    ]
    assert [part.get("equal") for part in spec["inhibitRules"]] == [part.get("equal") for part in file["inhibit_rules"]]
    assert [part["receiver"] for part in spec["route"]["routes"]] == [
        part["receiver"] for part in file["route"]["routes"]
    ]
    told = {part["name"]: set(part) - {"name"} for part in spec["receivers"]}
    assert told == {"pages": {"pagerdutyConfigs"}, "warnings": {"slackConfigs"}}


def test_dashboards_are_config_maps_that_grafanas_sidecar_finds(chart):
    found = [
        part
        for part in of_kind(chart.rendered(), "ConfigMap").values()
        if "grafana_dashboard" in part["metadata"].get("labels", {})
    ]
    held = {name: json.loads(text) for part in found for name, text in part["data"].items()}
    assert held == {f"ml-geometry-{path.name}": json.loads(path.read_text()) for path in DASHBOARDS.glob("*.json")}
    sidecar = given(chart)["grafana"]["sidecar"]["dashboards"]
    assert {part["metadata"]["labels"][sidecar["label"]] for part in found} == {sidecar["labelValue"]}


# The dependency


def values():
    return yaml.safe_load((CHART / "values.yaml").read_text())


def given(chart, *flags):
    """The values that the dependency gets."""
    return json.loads(of_kind(chart.rendered(*flags), "ConfigMap")["given-to-the-stack"]["data"]["values.json"])


def test_prometheus_and_alertmanager_find_what_the_chart_makes(chart):
    stack = given(chart)
    seen = {
        name: on for name, on in stack["prometheus"]["prometheusSpec"].items() if name.endswith("NilUsesHelmValues")
    }
    assert len(seen) == 5
    assert set(seen.values()) == {False}
    assert stack["alertmanager"]["alertmanagerSpec"]["alertmanagerConfigMatcherStrategy"] == {"type": "None"}


def test_the_stack_can_be_somebody_elses(chart):
    assert "given-to-the-stack" not in of_kind(chart.case("own-prometheus"), "ConfigMap")


def test_the_lock_belongs_to_the_pinned_version(helm, tmp_path):
    fine, other = Chart.copied(tmp_path / "a", helm), Chart.copied(tmp_path / "b", helm, version="1.0.0")
    assert fine.asked("dependency", "build", str(fine.folder)).returncode == 0
    assert yaml.safe_load((CHART / "Chart.lock").read_text())["dependencies"][0]["version"] == pinned()
    assert other.asked("dependency", "build", str(other.folder)).returncode != 0


def test_a_changed_dependency_makes_the_lock_stale(helm, tmp_path):
    chart = Chart.copied(tmp_path / "chart", helm)
    file = chart.folder / "Chart.yaml"
    file.write_text(file.read_text().replace(f"condition: {STACK}.enabled", "condition: another.enabled"))
    assert "out of sync" in chart.asked("dependency", "build", str(chart.folder)).stderr


# MLflow


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


# Values


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
