"""Draws a dashboard's JSON with matplotlib: each panel at its place of Grafana's grid, with a Prometheus' answers."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.dates
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from charts.monitoring.generate.pictures.recorded import Recorded

Panel = dict[str, Any]
Axes = Any  # matplotlib draws dates, which its annotations refuse
dates: Any = matplotlib.dates

CHOSEN = {"$__rate_interval": "2m", "$namespace": "ml-geometry-prod", "$service": "shapes", "$model": "shapes"}
COLOURS = ("#5794F2", "#73BF69", "#FF9830", "#F2495C", "#B877D9", "#8AB8FF", "#FADE2A", "#96D98D", "#FFA6B0", "#C0D8FF")
NAMED = {"green": "#73BF69", "yellow": "#FADE2A", "red": "#F2495C", "blue": "#5794F2", "transparent": "#181b1f"}
BACK, PANEL, TEXT = "#111217", "#181b1f", "#ccccdc"
WIDE, HIGH = 16 / 24, 0.29
"""Inches of one unit of the grid."""
COLOURS_OF_A_PICTURE = 96
"""A palette keeps a picture below 150 kB."""


def draw(board: dict[str, Any], told: Recorded, path: Path) -> None:
    """Write a PNG of the whole dashboard."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    plt.rcParams.update({"font.size": 7, "text.color": TEXT, "axes.edgecolor": "#333", "axes.labelcolor": TEXT})
    plt.rcParams.update({"xtick.color": TEXT, "ytick.color": TEXT, "font.family": "DejaVu Sans"})
    figure = plt.figure(figsize=(24 * WIDE, (rows + 1.5) * HIGH), facecolor=BACK, dpi=72)
    height = (rows + 1.5) * HIGH
    figure.text(0.008, 1 - 0.75 * HIGH / height, board["title"], va="center", fontsize=12, weight="bold")
    for panel in board["panels"]:
        _panel(figure, panel, told, height)
    figure.canvas.draw()
    drawn = Image.frombuffer("RGBA", figure.canvas.get_width_height(), figure.canvas.buffer_rgba())  # type: ignore[attr-defined]  # Agg's
    drawn.convert("RGB").quantize(COLOURS_OF_A_PICTURE, dither=Image.Dither.NONE).save(path, optimize=True)
    plt.close(figure)


def _panel(figure: Figure, panel: Panel, told: Recorded, height: float) -> None:
    place = panel["gridPos"]
    top = 1 - (place["y"] + 1.5) * HIGH / height
    if panel["type"] == "row":
        figure.text(0.008, top - 0.5 * HIGH / height, f"⌄ {panel['title']}", va="center", fontsize=9)
        return
    inch = 1 / (24 * WIDE)
    left, width = place["x"] / 24, place["w"] / 24
    bottom, tall = top - place["h"] * HIGH / height, place["h"] * HIGH / height
    frame = (left + 0.05 * inch, bottom + 0.04 / height, width - 0.1 * inch, tall - 0.08 / height)
    figure.patches.append(Rectangle(frame[:2], *frame[2:], transform=figure.transFigure, color=PANEL, zorder=0))
    figure.text(left + 0.15 * inch, top - 0.17 / height, panel["title"], va="center", fontsize=8, weight="bold")
    inner = (left + 0.62 * inch, bottom + 0.52 / height, width - 0.78 * inch, tall - 0.87 / height)
    axes = figure.add_axes(inner, facecolor=PANEL, zorder=1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _KINDS[panel["type"]](axes, panel, told)


def _answers(panel: Panel, told: Recorded) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Legend, times and values of each series of a panel that shows time."""
    found = []
    for target in panel["targets"]:
        for series in told.range(_filled(target["expr"])):
            values = np.array([[float(at), float(value)] for at, value in series["values"]])
            found.append((_legend(target["legendFormat"], series["metric"]), values[:, 0], values[:, 1]))
    return sorted(found, key=lambda each: each[0].startswith("bound"))


def _filled(expr: str) -> str:
    for variable, value in CHOSEN.items():
        expr = expr.replace(variable, value)
    return expr


def _legend(form: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form).strip()


def _times(times: np.ndarray) -> list[datetime]:
    return [datetime.fromtimestamp(at, UTC) for at in times]


def _over_time(axes: Axes, told: Recorded) -> None:
    axes.set_xlim(*_times(np.array([told.began, told.ended])))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.xaxis.set_major_locator(dates.HourLocator())
    axes.tick_params(length=2, labelsize=6.5)
    axes.set_axisbelow(True)
    axes.grid(color="#2a2d33", linewidth=0.5)


def _graph(axes: Axes, panel: Panel, told: Recorded) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    series = _answers(panel, told)
    stacked = defaults["custom"].get("stacking", {}).get("mode") == "normal"
    bounds = [each for each in series if each[0].startswith("bound")]
    lines = [each for each in series if not each[0].startswith("bound")]
    if stacked and lines:
        grid = np.arange(told.began, told.ended + 1, 30)
        filled = [_on(grid, times, values) for _, times, values in lines]
        axes.stackplot(_times(grid), filled, labels=[each[0] for each in lines], colors=COLOURS, alpha=0.75)
    else:
        for colour, (name, times, values) in zip(COLOURS * 3, lines, strict=False):
            axes.plot(_times(times), values, color=colour, linewidth=1.2, label=name)
    for name, times, values in bounds:
        axes.plot(_times(times), values, color="#8e8e8e", linewidth=1, linestyle="--", label=name)
    _over_time(axes, told)
    axes.set_ylim(bottom=defaults.get("min"), top=defaults.get("max"))
    axes.yaxis.set_major_formatter(lambda value, _: _said(value, defaults.get("unit", "short")))
    if not series:
        _empty(axes, "no data")
    elif len(series) <= 12:
        below = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.1)}
        axes.legend(
            ncol=max(4, panel["gridPos"]["w"] // 2) if len(series) > 6 else panel["gridPos"]["w"] // 3,
            frameon=False,
            fontsize=5 if len(series) > 6 else 6,
            handlelength=1,
            columnspacing=1,
            **below,
        )


def _empty(axes: Axes, said: str) -> None:
    axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color="#8e8e8e")


def _on(grid: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values on a common grid, 0 where there are none."""
    found = np.zeros(grid.size)
    found[np.searchsorted(grid, times).clip(0, grid.size - 1)] = np.nan_to_num(values)
    return found


def _heat(axes: Axes, panel: Panel, told: Recorded) -> None:
    series = {float(name): (times, values) for name, times, values in _answers(panel, told)}
    edges = sorted(series)
    if not edges:
        _empty(axes, "no data")
        return
    grid = np.arange(told.began, told.ended + 1, 30)
    below = np.array([_on(grid, *series[edge]) for edge in edges])
    counts = np.diff(np.vstack([np.zeros(grid.size), below]), axis=0).clip(0)
    limits = [_times(grid)[0], _times(grid)[-1], 0, len(edges)]
    axes.imshow(counts, aspect="auto", origin="lower", extent=_extent(limits), cmap="inferno", interpolation="nearest")
    axes.xaxis_date()
    _over_time(axes, told)
    axes.grid(visible=False)
    unit = panel["options"].get("yAxis", {}).get("unit", "short")
    every = max(1, len(edges) // 6)
    axes.set_yticks(
        [place + 1 for place in range(0, len(edges), every)],
        [_said(edge, unit) for edge in edges[::every]],
    )


def _extent(limits: list[Any]) -> tuple[float, float, float, float]:
    return (float(dates.date2num(limits[0])), float(dates.date2num(limits[1])), limits[2], limits[3])


def _timeline(axes: Axes, panel: Panel, told: Recorded) -> None:
    series = [each for each in _answers(panel, told) if each[2].max() > 0]
    for place, (name, times, values) in enumerate(series):
        on = values > 0
        axes.fill_between(
            _times(times), place + 0.1, place + 0.9, where=on.tolist(), color=COLOURS[place % 10], step="post"
        )
        axes.text(
            -0.005, place + 0.5, name, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=6.5
        )
    _over_time(axes, told)
    axes.set_ylim(0, max(1, len(series)))
    axes.set_yticks([])
    if not series:
        _empty(axes, "none")


def _stat(axes: Axes, panel: Panel, told: Recorded) -> None:
    axes.axis("off")
    defaults = panel["fieldConfig"]["defaults"]
    found = told.last(_filled(panel["targets"][0]["expr"]))
    value = float(found[0]["value"][1]) if found else np.nan
    colour = "#8e8e8e"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = NAMED[step["color"]]
    said = defaults.get("noValue", "") if np.isnan(value) else _said(value, defaults.get("unit", "short"))
    axes.text(0.42, 0.3, said, ha="center", va="center", fontsize=15, color=colour, transform=axes.transAxes)


def _bars(axes: Axes, panel: Panel, told: Recorded) -> None:
    target = panel["targets"][0]
    found = [
        (_legend(target["legendFormat"], each["metric"]), float(each["value"][1]))
        for each in told.last(_filled(target["expr"]))
    ]
    names, values = zip(*sorted(found, reverse=True), strict=True)
    axes.barh(names, values, color=COLOURS[1], height=0.6)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for place, value in enumerate(values):
        axes.text(value, place, f" {_said(value, unit)}", va="center", fontsize=7)
    axes.set_xlim(0, max(values) * 1.15)
    axes.set_xticks([])


def _table(axes: Axes, panel: Panel, told: Recorded) -> None:
    axes.axis("off")
    organized = panel["transformations"][2]["options"]
    order = organized["indexByName"]
    named = {field: organized["renameByName"][field] for field in sorted(order, key=order.__getitem__)}
    rows: dict[str, dict[str, str]] = {}
    for letter, target in zip("ABCDEFGH", panel["targets"], strict=False):
        for series in told.last(_filled(target["expr"])):
            labels = dict(series["metric"])
            row = rows.setdefault(labels.get("pod") or labels["version"], {})
            row.update(labels)
            row[f"Value #{letter}"] = series["value"][1]
    units = {part["matcher"]["options"]: part["properties"][0]["value"] for part in panel["fieldConfig"]["overrides"]}
    cells = [
        [_cell(row.get(field, ""), units.get(heading), told.ended) for field, heading in named.items()]
        for _, row in sorted(rows.items())
    ]
    if cells:
        tall = min(1.0, 0.13 * (len(cells) + 1))
        whole = (-0.05, 1 - tall, 1.05, tall)
        shown = axes.table(cells, colLabels=list(named.values()), bbox=whole, cellLoc="left", edges="horizontal")
        shown.auto_set_font_size(False)
        shown.set_fontsize(6.5)


def _cell(text: str, unit: str | None, now: float) -> str:
    if unit == "dateTimeFromNow" and text:
        return f"{_said(now - float(text) / 1000, 's')} ago"
    return _said(float(text), unit) if unit and text else text if len(text) < 32 else f"{text[:12]}…"


def _said(value: float, unit: str) -> str:
    """As Grafana writes a value of this unit."""
    if not np.isfinite(value):
        return "–" if np.isnan(value) else "∞"
    if unit == "percentunit":
        return f"{100 * value:.3g}%"
    if unit == "percent":
        return f"{value:.3g}%"
    if unit == "bytes":
        return _bytes(value)
    if unit == "s":
        return _duration(value)
    rounded = f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{rounded}/s" if unit == "reqps" else rounded


def _bytes(value: float) -> str:
    for power, name in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if abs(value) >= 2 ** (power - 1):
            return f"{value / 2**power:.3g} {name}"
    return f"{value:.0f} B"


def _duration(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{1000 * seconds:.3g} ms"


_KINDS: dict[str, Callable[[Axes, Panel, Recorded], None]] = {
    "timeseries": _graph,
    "heatmap": _heat,
    "state-timeline": _timeline,
    "stat": _stat,
    "bargauge": _bars,
    "table": _table,
}
