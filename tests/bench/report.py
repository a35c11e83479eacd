"""The rows with their figures: as a table for people, as JSON, and as a chart."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tests.bench.rows import Group, Round, Row
from tests.bench.statistics import Figure, Goal, figure


@dataclass(frozen=True)
class Line:
    """One row as it came out. errors: answers that were none, in all its rounds."""

    group: str
    row: Row
    figure: Figure
    errors: int

    @property
    def met(self) -> bool | None:
        return None if self.row.goal is None else not self.errors and self.row.goal.met(self.figure)

    @property
    def verdict(self) -> str:
        words = {None: "", True: "met", False: "missed"}[self.met]
        return f"{words}, {self.errors} errors".lstrip(", ") if self.errors else words


def lines(group: Group, rounds: Sequence[Round]) -> list[Line]:
    """The rows of a group that was measured."""
    errors = sum(int(figures.get("errors", 0)) for found in rounds for figures in found.values())
    return [Line(group.name, row, figure([row.value(found) for found in rounds]), errors) for row in group.rows]


def table(found: Iterable[Line]) -> str:
    """As wide as it must be."""
    cells = [("row", "ours [95 % interval]", "goal", "")]
    cells += [(line.row.title, _interval(line), _goal(line.row.goal, line.row.unit), line.verdict) for line in found]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    written = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([written[0], "  ".join("─" * width for width in widths[:3]), *written[1:]])


def medians(rounds: Sequence[Round]) -> str:
    """What was measured of every case, for who wants to know how fast that is."""
    return "\n".join(
        f"  {case}: "
        + ", ".join(f"{name} {_number(figure([one[case][name] for one in rounds]).median)}" for name in found)
        for case, found in rounds[0].items()
    )


def document(found: Iterable[Line], rounds: Mapping[str, Sequence[Round]], machine: Mapping[str, object]) -> str:
    """Everything that was measured, round by round."""
    rows = [
        {
            "group": line.group,
            "title": line.row.title,
            "unit": line.row.unit,
            **asdict(line.figure),
            "goal": None if line.row.goal is None else asdict(line.row.goal),
            "errors": line.errors,
            "met": line.met,
        }
        for line in found
    ]
    content = {"machine": machine, "rows": rows, "rounds": rounds}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()  # what is no number becomes null


def chart(found: Iterable[Line], path: Path) -> None:
    """How far each row is from its goal: a point and its interval, right of the line is met."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    shown = [line for line in found if line.row.goal is not None and math.isfinite(line.figure.median)][::-1]
    picture, axes = plt.subplots(figsize=(11, 0.36 * len(shown) + 1.2), layout="constrained")
    for place, line in enumerate(shown):
        low, middle, high = sorted(_towards(line.row.goal, value) for value in _values(line.figure))
        colour = "tab:green" if line.met else "tab:red"
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot([middle], [place], "o", color=colour)
    titles = [f"{line.row.title}: {_goal(line.row.goal, line.row.unit)}" for line in shown]
    axes.set(xscale="log", xlabel="times its goal (right of 1 is better)", yticks=range(len(shown)), yticklabels=titles)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.grid(visible=True, axis="x", which="both", alpha=0.25)
    picture.savefig(path)
    plt.close(picture)


def _values(found: Figure) -> tuple[float, float, float]:
    return found.low, found.median, found.high


def _towards(goal: Goal, value: float) -> float:
    """How many times better than the goal."""
    return value / goal.bound if goal.sign == "≥" else goal.bound / max(value, goal.bound / 100)


def _interval(line: Line) -> str:
    low, middle, high = (_number(value) for value in _values(line.figure))
    unit = "" if line.row.unit == "×" else f" {line.row.unit}"
    return f"{middle}{unit} [{low}, {high}]" if line.figure.coverage else f"{middle}{unit}"


def _number(value: float) -> str:
    return (
        f"{value:.0f}"
        if abs(value) >= 100
        else f"{value:.3g}"
        if abs(value) >= 10 or abs(value) < 0.1
        else f"{value:.3f}"
    )


def _goal(goal: Goal | None, unit: str) -> str:
    if goal is None:
        return ""
    part = {"median": "", "low": " (lower bound)", "high": " (upper bound)"}[goal.part]
    return f"{goal.sign} {goal.bound:g}{'' if unit == '×' else f' {unit}'}{part}"
