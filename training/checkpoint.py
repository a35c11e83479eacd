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

FILE = "fit.npz"
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

    def clear(self) -> None:
        """Forget it: the run is done. A folder of its own goes with it."""
        self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()
