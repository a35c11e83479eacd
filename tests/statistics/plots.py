"""The results of the simulations as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

ENDS = {"promoted": "#2a9d8f", "back": "#e76f51", "expired": "#adb5bd"}


class Row(Protocol):
    """What is drawn of a result."""

    name: str
    per_minute: int
    promoted: float
    back: float
    expired: float
    minutes: float
    damage: float


def draw(results: Sequence[Row], directory: Path) -> None:
    """`ends.png`: how rollouts end; `delay.png`: how long a canary that goes bad serves, and what it costs."""
    _ends(results, directory / "ends.png")
    _delay(results, directory / "delay.png")


def _ends(results: Sequence[Row], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 0.22 * len(results) + 1.2), layout="constrained")
    names = [f"{row.name}, {row.per_minute}/min" for row in results]
    left = [0.0] * len(results)
    for end, colour in ENDS.items():
        widths = [getattr(row, end) for row in results]
        axes.barh(names, widths, left=left, color=colour, label={"back": "goes back", "expired": "holds"}.get(end, end))
        left = [so_far + width for so_far, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("share of rollouts")
    axes.tick_params(axis="y", labelsize=7)
    figure.legend(loc="outside upper right", ncols=3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _delay(results: Sequence[Row], path: Path) -> None:
    figure, (delay, damage) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name in dict.fromkeys(row.name for row in results if row.name.startswith("errors 4 %")):
        rows = [row for row in results if row.name == name]
        rates = [row.per_minute for row in rows]
        delay.loglog(rates, [max(row.minutes, 0.01) for row in rows], marker="o", label=name)
        damage.semilogx(rates, [row.damage for row in rows], marker="o", label=name)
    delay.set_title("minutes until it goes back")
    damage.set_title("errors of the canary until then")
    for axes in (delay, damage):
        axes.set_xlabel("requests a minute")
        axes.grid(alpha=0.3)
    delay.legend(fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)


class Found(Protocol):
    """What is drawn of a drift."""

    @property
    def name(self) -> str: ...

    @property
    def median(self) -> float: ...

    @property
    def late(self) -> float: ...

    @property
    def wanted(self) -> float: ...


def draw_delays(found: Sequence[Found], path: Path) -> None:
    """Answers until a drift is found: the median as a bar, the 95th percentile as its end, what is wanted as a mark."""
    figure, axes = plt.subplots(figsize=(9, 0.28 * len(found) + 1.2), layout="constrained")
    longest = max([row.late for row in found if row.late < float("inf")] or [1.0])
    for place, row in enumerate(found):
        median, late = min(row.median, 2 * longest), min(row.late, 2 * longest)
        axes.barh(place, median, color="#2a9d8f")
        axes.plot([median, late], [place, place], color="#264653")
        if row.wanted:
            axes.plot([row.wanted], [place], marker="|", markersize=10, color="#e76f51")
    axes.set_yticks(range(len(found)), [row.name for row in found], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("answers until it is found: median, 95 %, and the median that is wanted")
    figure.savefig(path, dpi=120)
    plt.close(figure)
