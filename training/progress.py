"""How a run says where it is: a bar on a terminal, one line per epoch otherwise. Always on stderr."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_STDERR = 2


class Reporter(Protocol):
    """What fitting tells."""

    def say(self, text: str) -> None:
        """One thing that happened."""

    def step(self, done: float) -> None:
        """The share of all steps that is done."""


class Lines:
    """For log files: text only."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def step(self, done: float) -> None:
        """Nothing: an epoch has its line."""


class Bar:
    """For people: lines above, a bar below."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("training", total=1.0, visible=False)

    def say(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, markup=False)

    def step(self, done: float) -> None:
        self._progress.update(self._task, completed=done, visible=done < 1)


@contextmanager
def own_stderr(log: Path) -> Iterator[TextIO]:
    """Give the caller stderr for itself: what libraries write there meanwhile, also from C, goes to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    with os.fdopen(kept, "w", buffering=1) as stream:
        with log.open("wb") as file:
            os.dup2(file.fileno(), _STDERR)
        try:
            yield stream
        finally:
            sys.stderr.flush()
            stream.flush()
            os.dup2(kept, _STDERR)


@contextmanager
def reporter(stream: TextIO | None = None) -> Iterator[Reporter]:
    """The way of telling that suits `stream` (default: stderr)."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Lines(stream)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        yield Bar(progress)


def epoch_line(epoch: int, epochs: int, metrics: Mapping[str, float]) -> str:
    """`epoch 3/6  accuracy 0.912  loss 0.261 …`"""
    told = "  ".join(f"{name} {value:.4f}" for name, value in sorted(metrics.items()) if name != "learning_rate")
    return f"epoch {epoch}/{epochs}  {told}"
