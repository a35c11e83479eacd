"""The rule files: promtool takes them and runs their tests; every rule is tested, explained and names what exists."""

import re
import subprocess
from collections import defaultdict

import pytest
import yaml
from typer.testing import CliRunner

from predictor import metrics as predictor
from predictor.errors import SERVER_REASONS
from registry.cli.app import add_plugins, app
from registry.controller import exported as controller
from tests.monitoring.programs import program
from tests.monitoring.rulefiles import CASES, FILES, ROOT, RULES, TESTS, case_names, metrics, rules

ALERTS = tuple(rule for rule in rules() if rule.alert)
RECORDED = tuple(rule for rule in rules() if not rule.alert)
NAMES = case_names()
SERIES = {"up"}
GROUPS = ("local", "models", "keys", "data", "manifests")
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def exported() -> set[str]:
    """All series that predictor and controller export, the parts of a histogram included."""
    constants = [value for module in (predictor, controller) for value in vars(module).values()]
    names = {value for value in constants if isinstance(value, str) and value.startswith("ml_geometry_")}
    return names | {f"{name}{part}" for name in names for part in ("_bucket", "_sum", "_count")}


def test_prometheus_takes_the_rules():
    checked = subprocess.run([program("promtool"), "check", "rules", *RULES], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_pass_their_tests(path):
    tested = subprocess.run([program("promtool"), "test", "rules", path], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_what_is_recorded_is_there_when_alerts_are_evaluated(path):
    tests = yaml.safe_load(path.read_text())
    documents = [yaml.safe_load((path.parent / name).read_text()) for name in tests["rule_files"]]
    assert tests["group_eval_order"] == [group["name"] for document in documents for group in document["groups"]]


def test_alertmanager_takes_the_routes():
    checked = subprocess.run([program("amtool"), "check-config", FILES / "alertmanager.yaml"], capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", sorted({rule.name for rule in ALERTS}))
def test_every_alert_has_a_test_of(name, case):
    assert any(known.startswith(f"{name}: {case}") for known in NAMES)


@pytest.mark.parametrize("name", sorted(rule.name for rule in RECORDED if ":ratio_rate" not in rule.name))
def test_everything_recorded_has_tests_of_its_value_and_of_absence(name):
    cases = " ".join(known for known in NAMES if known.startswith(f"{name}: "))
    assert "value" in cases
    assert "absent" in cases
    assert "no traffic" in cases


def test_no_test_is_of_a_rule_that_is_gone():
    assert {known.split(": ")[0] for known in NAMES} <= {rule.name for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_names_only_what_is_exported_or_recorded(rule):
    named = metrics(rule.expression)
    assert named
    assert named <= SERIES | exported() | {rule.name for rule in RECORDED}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(rule):
    annotations = rule.document["annotations"]
    assert rule.document["labels"]["severity"] in ("critical", "warning")
    assert annotations["runbook_url"] == f"docs/runbooks/{rule.name}.md"
    assert re.search(r"\d|\{\{", annotations["summary"])


@pytest.mark.parametrize("name", sorted({rule.name for rule in ALERTS}))
def test_every_alert_has_a_page_that_says_what_to_do(name):
    page = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    assert "```sh" in page


def test_pages_name_verbs_and_options_that_exist():
    add_plugins()
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "runbooks").glob("*.md"))
    asked = defaultdict(set)
    for words in (found.split() for found in re.findall(r"(?<![\w.-])geometry ([a-z][^`|;\n#]*)", pages)):
        verb = tuple(words[: 2 if words[0] in GROUPS else 1])
        asked[verb] |= {word for word in words if word.startswith("--")}
    for verb, options in asked.items():
        shown = CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "200"}).output
        assert "Usage: " in shown, verb
        assert [option for option in options if option not in shown] == [], verb


def test_every_page_is_of_an_alert():
    pages = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert pages == {rule.name for rule in ALERTS}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_failures_of_ours_are_those_of_the_predictor(rule):
    for reasons in re.findall(r'reason=~"([^"]*)"', rule.expression):
        assert tuple(reasons.split("|")) == SERVER_REASONS


@pytest.mark.parametrize("slo", ["errors", "latency"])
def test_every_window_of_a_service_level_has_the_same_expression(slo):
    found = {
        rule.name.rpartition("ratio_rate")[2]: rule.expression
        for rule in RECORDED
        if rule.name.startswith(f"ml_geometry_slo_{slo}:ratio_rate")
    }
    assert tuple(found) == WINDOWS
    assert len({text.replace(f"[{window}]", "[]") for window, text in found.items()}) == 1


def test_what_silences_names_alerts_that_exist():
    named = re.findall(r"Geometry(\w+|\([\w|]+\))", (FILES / "alertmanager.yaml").read_text())
    known = {rule.name.removeprefix("Geometry") for rule in ALERTS}
    for name in {part for group in named for part in group.strip("()").split("|")}:
        assert name in known, name


def test_each_alert_is_told_to_somebody():
    config = yaml.safe_load((FILES / "alertmanager.yaml").read_text())
    assert {receiver["name"] for receiver in config["receivers"]} == {"pages", "warnings"}
