"""The committed dashboards: made by the code, understood by Prometheus, about metrics that exist."""

import re
import shutil
import subprocess

import pytest
import yaml

from charts.monitoring.generate.board import FAMILY, VARIABLES
from charts.monitoring.generate.boards import texts
from charts.monitoring.generate.pictures.afternoon import afternoon
from registry.controller.exported import FAMILIES, TURN_SECONDS
from tests.monitoring.expressions import (
    DASHBOARDS,
    FROM_ELSEWHERE,
    ROOT,
    SCRAPED,
    asked,
    boards,
    exported,
    panels,
    recorded,
)

BOARDS = pytest.mark.parametrize("board", boards().values(), ids=boards())


def test_what_is_committed_is_what_the_code_makes():
    """Otherwise: python -m charts.monitoring.generate."""
    assert {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")} == texts()


def test_there_is_one_of_each_family():
    assert {f"{name}.json" for name in FAMILY} == set(boards())


def test_every_expression_is_understood_by_prometheus(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not in PATH: install Debian's package prometheus")
    rules = [{"record": f"asked:{number}", "expr": each.expr} for number, each in enumerate(asked())]
    file = tmp_path / "asked.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    ran = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"{len(rules)} rules found" in ran.stdout


def test_every_metric_is_exported_or_recorded(served):
    known = exported(served).keys() | recorded() | FROM_ELSEWHERE
    unknown = {(each.board, each.panel, name) for each in asked() for name in each.names() - known}
    assert not unknown


def test_metrics_are_selected_by_labels_that_they_have(served):
    """A matcher of a label that is not there selects nothing, and nothing says so."""
    labels = exported(served)
    seen = [(each, name, by - SCRAPED) for each in asked() for name, by in each.matched() if name in labels]
    assert len({name for _, name, _ in seen}) > 40
    assert not [(each.board, each.panel, name, by) for each, name, by in seen if not by <= labels[name]]


def test_the_controllers_metrics_are_not_asked_by_service():
    """It speaks of models; a matcher of `service` would select nothing."""
    names = {family.name for family in FAMILIES}
    assert not [each for each in asked() for name, by in each.matched() if name in names and "service" in by]


def test_no_variable_is_left_that_the_dashboard_does_not_have():
    for name, board in boards().items():
        declared = {variable["name"] for variable in board["templating"]["list"]}
        used = {
            found
            for panel in panels(board)
            for target in panel["targets"]
            for found in re.findall(r"\$\{?([a-z]\w*)", target["expr"])
        }
        assert used <= declared, name
        assert declared <= {"datasource", *VARIABLES}


@BOARDS
def test_a_panel_says_what_it_shows_and_asks_the_chosen_prometheus(board):
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


@BOARDS
def test_panels_neither_overlap_nor_leave_the_width_of_24(board):
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_pictures_are_of_every_dashboard_and_small():
    found = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "pictures").glob("dashboard-*.png")}
    assert set(found) == {f"dashboard-{name}" for name in FAMILY}
    assert max(found.values()) <= 150_000


def test_the_pictures_afternoon_is_of_metrics_that_exist(served):
    told = {line.name for line in afternoon(0.0)}
    known = exported(served).keys() | FROM_ELSEWHERE
    assert {name for name in told if not name.startswith(TURN_SECONDS)} <= known


def test_judged_numbers_are_of_one_namespace_and_live_traffic_alone():
    """Staging and tests must never be mixed into what production's dashboard says."""
    own = [each for each in asked() if "vector(" not in each.expr and "envoy_" not in each.expr]
    assert all('namespace="ml-geometry-dev"' in each.expr for each in own)
    counters = [
        each for each in own if re.search(r"ml_geometry_(predictions|errors|low_confidence|shed)_total", each.expr)
    ]
    assert counters
    assert all('traffic="live"' in each.expr for each in counters)


def test_dashboards_link_to_each_other_and_have_addresses_that_stay():
    assert {board["uid"] for board in boards().values()} == {f"ml-geometry-{name}" for name in FAMILY}
    assert all(board["links"][0]["tags"] == board["tags"] for board in boards().values())
