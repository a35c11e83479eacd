"""What the dashboards ask, and which names of metrics there are to be asked for."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from predictor.metrics import Metrics
from predictor.served import Served
from registry.controller.exported import FAMILIES, NAMES, TURN_SECONDS, TURNS

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "monitoring"
DASHBOARDS = CHART / "dashboards"
RULES = CHART / "files" / "rules"

CHOSEN = {
    "$__rate_interval": "5m",
    "$__interval": "1m",
    "$__range": "3h",
    "$namespace": "ml-geometry-dev",
    "$service": "shapes",
    "$model": "shapes",
}
"""What Grafana puts in place of the variables; the longer names first."""

_NAME = re.compile(r"\b(?:ml_geometry|envoy_cluster_upstream|process)_[a-z0-9_]+(?::[a-z0-9_]+)*\b")
_SELECTOR = re.compile(r"\b(ml_geometry_[a-z0-9_:]+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)(?:=~|!~|!=|=)\"")
SAMPLED = f"{TURN_SECONDS}_bucket"
SCRAPED = {"namespace", "job", "pod", "service", "revision"}
"""Labels that come from the scrape."""

FROM_ELSEWHERE = {"envoy_cluster_upstream_rq_xx", "up"}
"""Exported by Envoy and by Prometheus itself."""


@dataclass(frozen=True)
class Asked:
    """One expression of a dashboard, its variables filled in."""

    board: str
    panel: str
    expr: str

    def matched(self) -> Iterator[tuple[str, set[str]]]:
        """Each metric with the labels that it is selected by."""
        for name, matchers in _SELECTOR.findall(self.expr):
            yield name, set(_LABEL.findall(matchers))

    def names(self) -> set[str]:
        """Metrics in it; what stands in quotes is a value."""
        return set(_NAME.findall(re.sub(r'"[^"]*"', '""', self.expr)))


def boards() -> dict[str, dict[str, Any]]:
    """Dashboards by file name, as committed."""
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def asked() -> Iterator[Asked]:
    """Every expression of every panel and annotation."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Asked(name, panel["title"], filled(target["expr"]))
        for mark in board["annotations"]["list"]:
            yield Asked(name, mark["name"], filled(mark["expr"]))


def filled(expr: str) -> str:
    """With a value for each variable."""
    for variable, value in CHOSEN.items():
        expr = expr.replace(variable, value)
    return expr


def exported(served: Served) -> dict[str, set[str]]:
    """Every metric of predictors, as one of this version tells them, and of the controller, with its labels."""
    found = {SAMPLED: {"le"}, **{name: {"result"} if name == TURNS else set() for name in NAMES}}
    found = {**found, **{family.name: set(family.labels) for family in FAMILIES}}
    told = text_string_to_metric_families(Metrics(served).text()[0].decode())
    for sample in (sample for family in told for sample in family.samples):
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


def recorded() -> set[str]:
    """Names that a rule records."""
    files = (yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yaml")))
    return {rule["record"] for file in files for group in file["groups"] for rule in group["rules"] if "record" in rule}
