"""Progress of a comparison on stderr: a picture on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from registry.cli.options import say
from registry.domain.findings import UNKNOWN

EVERY = 60.0
"""Seconds between two looks that are told where nothing can be drawn; what becomes known is told at once."""

Show = Callable[[list[dict[str, str]], str], None]
"""Takes rows of findings, and what is awaited."""


@contextmanager
def showing() -> Iterator[Show]:
    """What shows a look, as long as the comparison runs."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def picture(rows: list[dict[str, str]], awaited: str) -> None:
        table = Table(*(name.upper() for name in rows[0]), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row.values())
        live.update(Group(table, Text(f"awaited: {awaited}", style="cyan")), refresh=True)

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield picture


def _lines() -> Show:
    """A line per signal every minute, and whenever another version is known to be better."""
    last, known = time.monotonic(), dict[str, str]()

    def show(rows: list[dict[str, str]], awaited: str) -> None:
        nonlocal last, known
        due = time.monotonic() - last >= EVERY
        for row in rows:
            if due or known.get(row["what"], UNKNOWN) != row["better"]:
                say(f"{row['what']}: " + ", ".join(f"{name} {row[name]}" for name in row if name != "what"))
        if due:
            say(f"awaited: {awaited}")
            last = time.monotonic()
        known = {row["what"]: row["better"] for row in rows}

    return show
