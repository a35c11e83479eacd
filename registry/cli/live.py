"""The live picture of `geometry status -w`: drawn again as long as something is in progress."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from registry.cli.evidence import Gauge, evidence, pairs
from registry.cli.places import Place
from registry.cli.status import bar, headline, rows, what
from registry.domain.fold import fold
from registry.domain.state import State
from registry.domain.version import Model

REDRAW = 0.5
"""Seconds between two pictures; the controller's view is a second old at most."""

_COLUMNS = {
    "version": "left", "weight": "right", "ready": "left", "requests": "right", "recent": "right", "errors": "right",
    "p95": "right", "confidence": "right",
}  # fmt: skip
_COLOURS = {"promote": "green", "hold": "yellow", "rollback": "red", "error": "magenta"}


def watch(place: Place, model: Model, document: Callable[[State], Mapping[str, Any]], *, seconds: float) -> None:
    """Draw until nothing is in progress or waiting. Raises Unreachable without a controller, and TimeoutError."""
    journal, deadline = place.journal_of(model), time.monotonic() + seconds
    with Live(console=Console(), auto_refresh=False, transient=True) as live:
        while True:
            state = fold(model, journal.read())
            live.update(picture(document(state)), refresh=True)
            if state.rollout is None and not state.requests:
                return
            place.require_controller()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the rollout: still in progress after {seconds:g} s; `geometry status` shows it")
            time.sleep(max(REDRAW, place.pace))


def picture(seen: Mapping[str, Any]) -> RenderableType:
    """One row a running revision, steps, evidence, verdict, and the sentence that says what is awaited."""
    parts: list[RenderableType] = [Text(headline(seen), style="bold"), _table(seen)]
    if seen["rollout"]:
        parts.append(_steps(seen["rollout"]))
    parts += [Text(notice, style="yellow") for notice in seen["notices"]]
    verdict = seen["seen"].get("verdict")
    if verdict:
        parts += [_gauge(found) for found in evidence(verdict["numbers"])]
        parts += map(Text, pairs(verdict["numbers"]))
        colour = _COLOURS.get(verdict["outcome"], "white")
        told = escape(f"{verdict['reason']}; {verdict['message']}")
        parts.append(Text.from_markup(f"[{colour}]{verdict['outcome']}[/]: {told}"))
    if seen["seen"].get("problem"):
        parts.append(Text(f"stopped: {seen['seen']['problem']}", style="red"))
    parts.append(Text(f"awaited: {seen['seen'].get('awaited') or 'the first look of the controller'}", style="cyan"))
    return Group(*parts)


def _table(seen: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, side in _COLUMNS.items():
        table.add_column(name.upper(), justify="right" if side == "right" else "left")
    running = seen["seen"].get("revisions", {})
    for row in rows(seen):
        if row["version"] in running:
            table.add_row(*("-" if row[name] is None else str(row[name]) for name in _COLUMNS))
    return table


def _steps(rollout: Mapping[str, Any]) -> Text:
    """Steps behind it green, the present one inverse, those before it dim."""
    text = Text(f"{what(rollout)} of {rollout['version']}: ")
    names = bar(rollout)
    present = next((index for index, name in enumerate(names) if name.startswith("[")), len(names))
    for index, name in enumerate(names):
        style = "green" if index < present else "reverse" if index == present else "dim"
        text.append(name.strip("[]"), style=style)
        text.append(" → " if index + 1 < len(names) else "")
    return text


def _gauge(gauge: Gauge) -> Text:
    return Text(str(gauge), style="red" if gauge.letter == "E" and gauge.share > 0.5 else "")
