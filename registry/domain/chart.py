"""Small charts over time as inline SVG: lines, a bound, axes; no script and no style sheet of their own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.domain.awaited import duration
from registry.domain.markup import Markup, element, joined

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 60, 110, 12, 28
COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2")

Line = Sequence[tuple[datetime, float]]


@dataclass(frozen=True)
class Frame:
    """Where a moment and a value lie."""

    began: datetime
    ended: datetime
    low: float
    high: float

    def x(self, moment: datetime) -> float:
        span = max((self.ended - self.began).total_seconds(), 1e-3)
        share = (moment - self.began).total_seconds() / span
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def steps_chart(title: str, weights: Line, *, began: datetime, ended: datetime) -> Markup:
    """A value that stays until it changes: percent over time."""
    frame = Frame(began, ended, 0.0, 100.0)
    points = [(moment, value) for moment, value in weights]
    corners: list[tuple[datetime, float]] = []
    for moment, value in points:
        corners += [(moment, corners[-1][1])] if corners else []
        corners.append((moment, value))
    corners += [(ended, corners[-1][1])] if corners else []
    ticks = [(value, f"{value:g} %") for value in (0.0, 25.0, 50.0, 75.0, 100.0)]
    return _svg(title, frame, ticks, [_polyline(frame, corners, COLOURS[0])])


def evidence_chart(title: str, lines: Mapping[str, Line], *, bound: float, began: datetime, ended: datetime) -> Markup:
    """E-values over time on a logarithmic scale, against `bound`. lines: natural logarithms by name."""
    tens = {name: [(moment, log / math.log(10)) for moment, log in line] for name, line in lines.items()}
    wanted = math.log10(bound)
    values = [value for line in tens.values() for _, value in line]
    frame = Frame(began, ended, max(min([0.0, *values]), -4.0) - 0.2, max(wanted, 0.0) + 0.8)
    ticks = [(float(power), f"{10.0**power:g}") for power in range(math.ceil(frame.low), math.floor(frame.high) + 1)]
    drawn = [
        joined(_polyline(frame, line, colour), _end(frame, name, line, colour, rank))
        for rank, ((name, line), colour) in enumerate(zip(tens.items(), COLOURS * 2, strict=False))
        if line
    ]
    y = frame.y(wanted)
    drawn.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, stroke="#dc2626", stroke_dasharray="5 4"))
    drawn.append(element("text", f"bound {bound:g}", x=WIDTH - RIGHT - 4, y=y - 5, text_anchor="end", fill="#dc2626"))
    return _svg(title, frame, ticks, drawn)


def _end(frame: Frame, name: str, line: Line, colour: str, rank: int) -> Markup:
    """The name of a line beside the chart, one below another."""
    moment, value = line[-1]
    dot = element("circle", cx=frame.x(moment), cy=frame.y(value), r=3, fill=colour)
    return joined(dot, element("text", name, x=WIDTH - RIGHT + 10, y=TOP + 14 + 16 * rank, fill=colour))


def _polyline(frame: Frame, line: Line, colour: str) -> Markup:
    points = " ".join(f"{frame.x(moment)},{frame.y(value)}" for moment, value in line)
    return element("polyline", points=points, fill="none", stroke=colour, stroke_width=2)


def _svg(title: str, frame: Frame, ticks: Sequence[tuple[float, str]], drawn: Sequence[Markup]) -> Markup:
    grid = [
        joined(
            element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=frame.y(value), y2=frame.y(value), class_="grid"),
            element("text", told, x=LEFT - 8, y=frame.y(value) + 4, text_anchor="end"),
        )
        for value, told in ticks
    ]
    span = frame.ended - frame.began
    times = [
        element(
            "text",
            duration(span.total_seconds() * part / 4),
            x=frame.x(frame.began + span * (part / 4)),
            y=HEIGHT - 8,
            text_anchor="middle",
        )
        for part in range(5)
    ]
    return element(
        "svg",
        element("title", title),
        *grid,
        *times,
        *drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
    )
