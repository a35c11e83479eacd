"""Where a fit stands after each epoch, on disk, so that a run which was killed goes on as if it had not been.

One file of arrays and JSON, replaced whole: it is of one epoch or of the next, whenever the run ends. Keras' own backup
knows weights and optimizer and forgets what early stopping has seen.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.store import durable

FILE, PUBLISHING = "fit.npz", "publishing.json"
_ABOUT = "about"
_PARTS = ("network", "optimizer", "best")

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Standing:
    """After an epoch. history: metrics of every epoch so far. ended: no other one follows.

    network, optimizer: all variables, those of dice included. best: weights of the best epoch, whose validation loss
    was `loss`; waited: epochs since.
    """

    history: tuple[Mapping[str, float], ...]
    ended: bool
    network: Arrays
    optimizer: Arrays
    best: Arrays
    loss: float
    best_epoch: int
    waited: int

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.history)


@dataclass(frozen=True)
class Checkpoint:
    """The file of one run. identity: of all that decides what it does; what another run left is not gone on from."""

    directory: Path
    identity: str

    @property
    def path(self) -> Path:
        return self.directory / FILE

    def read(self) -> Standing | None:
        """None where there is none, or another run's, or one that this code cannot read."""
        try:
            with np.load(self.path, allow_pickle=False) as found:
                about = json.loads(bytes(found[_ABOUT]))
                parts = {name: tuple(found[f"{name}{n}"] for n in range(about[name])) for name in _PARTS}
                if about["identity"] != self.identity:
                    return None
                return Standing(
                    history=tuple(about["history"]),
                    ended=about["ended"],
                    network=parts["network"],
                    optimizer=parts["optimizer"],
                    best=parts["best"],
                    loss=about["loss"],
                    best_epoch=about["best_epoch"],
                    waited=about["waited"],
                )
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def write(self, standing: Standing) -> None:
        """Replace what is there. Raises OSError; the one before is whole then."""
        parts = {name: getattr(standing, name) for name in _PARTS}
        about = {
            "identity": self.identity,
            "history": [dict(metrics) for metrics in standing.history],
            "ended": standing.ended,
            "loss": standing.loss,
            "best_epoch": standing.best_epoch,
            "waited": standing.waited,
            **{name: len(arrays) for name, arrays in parts.items()},
        }
        arrays: dict[str, Any] = {f"{name}{n}": array for name, found in parts.items() for n, array in enumerate(found)}
        content = io.BytesIO()
        arrays[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(content, **arrays)
        durable.make_directory(self.directory)
        durable.clear_asides(self.directory)  # of writes that were killed
        durable.replace(self.path, content.getvalue())


def publishing(directory: Path, *, wish: str, run_id: str) -> None:
    """Write down, before a version is published, of which MLflow run it will be. wish: what was asked for."""
    durable.make_directory(directory)
    durable.replace(directory / PUBLISHING, json.dumps({"wish": wish, "run": run_id}).encode())


def was_publishing(directory: Path, *, wish: str) -> str | None:
    """The MLflow run of whoever was asked for the same and was about to publish; None where nobody was."""
    try:
        found = json.loads((directory / PUBLISHING).read_bytes())
        return str(found["run"]) if found["wish"] == wish else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear(directory: Path) -> None:
    """Forget all of it: the run is done. A folder of its own goes with it."""
    for name in (FILE, PUBLISHING):
        (directory / name).unlink(missing_ok=True)
    with suppress(OSError):
        directory.rmdir()
