"""The panels that the dashboards are made of: one function a kind, one look, a description on each.

Widths are columns of Grafana's 24. Every panel asks the Prometheus that the variable `datasource` names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, prometheus
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

Panel = Builder[models.Panel]

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, RED, GREY = "green", "yellow", "red", "#8e8e8e"
HEIGHT = 8


@dataclass(frozen=True)
class Query:
    """expr: PromQL with the dashboard's variables. legend: its labels in double braces."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Bounds:
    """From which value on a number is yellow and red; `falling`: up to which, as of a quantity that should be high."""

    yellow: float
    red: float
    falling: bool = False

    def steps(self) -> list[models.Threshold]:
        """Grafana's form: the colour from each value upwards, the first without one."""
        if self.falling:
            rising = ((None, RED), (self.red, YELLOW), (self.yellow, GREEN))
        else:
            rising = ((None, GREEN), (self.yellow, YELLOW), (self.red, RED))
        return [models.Threshold(value=value, color=color) for value, color in rising]


def graph(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    width: int = 12,
    maximum: float | None = None,
    stacked: bool = False,
    floor: float | None = 0,
) -> Panel:
    """Lines over time; a series whose legend begins with "bound" is drawn dashed and grey."""
    panel = timeseries.Panel().title(title).description(description).datasource(SOURCE).height(HEIGHT).span(width)
    panel = panel.unit(unit).line_width(2).fill_opacity(60 if stacked else 8).show_points(common.VisibilityMode.NEVER)
    panel = panel.legend(_legend()).tooltip(options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    if floor is not None:
        panel = panel.min(floor)
    if maximum is not None:
        panel = panel.max(maximum)
    if stacked:
        panel = panel.stacking(options.StackingConfig().mode(common.StackingMode.NORMAL))
    dashed = {"fill": "dash", "dash": [8, 8]}
    panel = panel.override_by_regexp(
        "^bound.*",
        [
            models.DynamicConfigValue(id_val="custom.lineStyle", value=dashed),
            models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": GREY}),
            models.DynamicConfigValue(id_val="custom.fillOpacity", value=0),
        ],
    )
    for reference, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_asked(query, reference).range())
    return panel


def number(
    title: str, description: str, query: Query, *, unit: str = "short", bounds: Bounds | None = None, width: int = 4
) -> Panel:
    """The present value, coloured by its bounds. Of nothing it says "no data": neither good nor what it was before."""
    panel = stat.Panel().title(title).description(description).datasource(SOURCE).height(4).span(width).unit(unit)
    panel = panel.graph_mode(common.BigValueGraphMode.NONE).no_value("no data")
    steps = bounds.steps() if bounds else [models.Threshold(value=None, color="blue")]
    panel = panel.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    panel = panel.reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(_asked(query, "A").instant())


def heat(title: str, description: str, query: Query, *, unit: str = "short", width: int = 12) -> Panel:
    """A classic histogram over time: the query returns the increase of each bucket by `le`."""
    panel = heatmap.Panel().title(title).description(description).datasource(SOURCE).height(HEIGHT).span(width)
    panel = panel.calculate(False).y_axis(heatmap.YAxisConfig().unit(unit))
    panel = panel.color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
    return panel.with_target(_asked(query, "A").range().format(prometheus.PromQueryFormat.HEATMAP))


def timeline(title: str, description: str, query: Query, *, width: int = 12) -> Panel:
    """Which of a closed set is so, over time: the query returns 0 or 1 of each."""
    panel = statetimeline.Panel().title(title).description(description).datasource(SOURCE).height(HEIGHT).span(width)
    panel = panel.show_value(common.VisibilityMode.NEVER).merge_values(True).row_height(0.8)
    steps = [models.Threshold(value=None, color="transparent"), models.Threshold(value=1, color="blue")]
    panel = panel.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    panel = panel.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    return panel.with_target(_asked(query, "A").range())


def bars(title: str, description: str, query: Query, *, unit: str = "short", width: int = 12) -> Panel:
    """The last value of each series as a bar."""
    panel = bargauge.Panel().title(title).description(description).datasource(SOURCE).height(HEIGHT).span(width)
    panel = panel.unit(unit).min(0).orientation(common.VizOrientation.HORIZONTAL)
    panel = panel.display_mode(common.BarGaugeDisplayMode.BASIC)
    panel = panel.reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(_asked(query, "A").instant())


def rows_of(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    columns: dict[str, str],
    units: dict[str, str],
    width: int,
) -> Panel:
    """A table of the present. columns: Grafana's field name → heading, in this order; others are hidden. units: by
    heading."""
    panel = table.Panel().title(title).description(description).datasource(SOURCE).height(HEIGHT).span(width)
    for reference, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_asked(query, reference).instant().format(prometheus.PromQueryFormat.TABLE))
    merged = models.DataTransformerConfig(id_val="merge", options={})
    kept = models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}})
    order = {name: place for place, name in enumerate(columns)}
    named = models.DataTransformerConfig(
        id_val="organize", options={"renameByName": columns, "indexByName": order, "excludeByName": {}}
    )
    panel = panel.transformations([merged, kept, named])
    for heading, unit in units.items():
        panel = panel.override_by_name(heading, [models.DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def _asked(query: Query, reference: str) -> Dataquery:
    return Dataquery().expr(query.expr).legend_format(query.legend or "__auto").ref_id(reference).datasource(SOURCE)


def _legend() -> options.VizLegendOptions:
    legend = options.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
    return legend.display_mode(common.LegendDisplayMode.LIST).calcs(["lastNotNull"])
