"""A dashboard as a value, and the JSON that Grafana reads: the same bytes from the same code."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from charts.monitoring.generate.panels import SOURCE, Panel

TAG = "ml-geometry"
FAMILY = {"service": "Service", "model": "Model", "rollouts": "Rollouts", "training": "Training", "store": "Store"}
"""File names and titles of all of them, in the order of their links."""

VARIABLES = {
    "namespace": 'label_values({__name__=~"ml_geometry_predictions_total|ml_geometry_controller_acting"}, namespace)',
    "service": 'label_values(ml_geometry_predictions_total{namespace="$namespace"}, service)',
    "model": 'label_values(ml_geometry_rollout_step{namespace="$namespace"}, model)',
}
"""What each variable may be; each asks within what those before it have chosen."""


@dataclass(frozen=True)
class Mark:
    """A vertical line where the expression is not empty; its labels are named in braces in `text`."""

    name: str
    expr: str
    text: str
    color: str


@dataclass(frozen=True)
class Board:
    """name: of its file and of FAMILY. variables: of VARIABLES. rows: heading → its panels, from left to right."""

    name: str
    description: str
    variables: Sequence[str]
    rows: dict[str, Sequence[Panel]]
    marks: Sequence[Mark] = ()

    def text(self) -> str:
        """JSON with sorted keys, one newline at the end."""
        built = json.loads(json.dumps(self._built(), cls=JSONEncoder))
        built["annotations"]["list"] = [_mark(mark) for mark in self.marks]
        return json.dumps(built, indent=1, sort_keys=True) + "\n"

    def _built(self) -> models.Dashboard:
        board = builders.Dashboard(f"ml-geometry / {FAMILY[self.name]}").uid(f"ml-geometry-{self.name}")
        board = board.description(self.description).tags([TAG]).timezone("browser").refresh("30s").time("now-3h", "now")
        board = board.readonly().tooltip(models.DashboardCursorSync.CROSSHAIR).annotations([])
        board = board.with_variable(builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        for name in self.variables:
            board = board.with_variable(_variable(name))
        board = board.link(
            builders.DashboardLink("ml-geometry")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
        for heading, panels in self.rows.items():
            board = board.with_row(builders.Row(heading))
            for panel in panels:
                board = board.with_panel(panel)
        return _numbered(board.build())


def _variable(name: str) -> builders.QueryVariable:
    asked: dict[str, object] = {"query": VARIABLES[name], "refId": name}
    variable = builders.QueryVariable(name).label(name.capitalize()).query(asked).datasource(SOURCE)
    return variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)


def _numbered(board: models.Dashboard) -> models.Dashboard:
    """Panels are linked to by number."""
    for number, panel in enumerate(board.panels or (), start=1):
        panel.id_val = number
    return board


def _mark(mark: Mark) -> dict[str, Any]:
    """Prometheus' own fields of an annotation, which the library does not know."""
    return {
        "name": mark.name,
        "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
        "enable": True,
        "expr": mark.expr,
        "iconColor": mark.color,
        "step": "30s",
        "textFormat": mark.text,
        "titleFormat": mark.name,
    }
