"""What the chart hands to Prometheus, Alertmanager and Grafana is what lies in its files."""

import json
import re

import yaml

from tests.monitoring.chart import (
    STACK,
    Chart,
    given,
    of_kind,
    pinned,
)
from tests.monitoring.expressions import CHART, DASHBOARDS, RULES


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
