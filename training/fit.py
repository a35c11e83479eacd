"""Fitting: Adam along one warm-up and one cosine, images turned and mirrored on the way, the best epoch kept.

With a checkpoint it goes on after the last epoch of a run that was killed: the same order of images, dice and weights.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from predictor.image import Pixels
from training.checkpoint import Checkpoint, Standing
from training.progress import Reporter, epoch_line
from training.split import Split

if TYPE_CHECKING:
    import keras

WARM_UP = 0.2  # of all steps
PATIENCE = 5  # epochs without a better validation loss


class EpochLog(Protocol):
    """Where an epoch's metrics go."""

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        """Record the metrics of epoch `step`."""


def fit(
    network: "keras.Model",
    train: Split,
    validation: Split,
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    reporter: Reporter,
    log: EpochLog,
    checkpoint: Checkpoint | None = None,
) -> int:
    """Train `network` (logits) in place and return the number of epochs. The same seed repeats the order of images.

    It stops early when `validation` loss gets no better, and ends with the weights of the best epoch. checkpoint: read
    first and written after every epoch; raises OSError where that cannot be.
    """
    import keras

    batch = min(batch, len(train))
    steps = len(train) // batch
    keras.utils.set_random_seed(seed)
    network.compile(
        optimizer=keras.optimizers.Adam(_schedule(steps * epochs, learning_rate)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    before = checkpoint.read() if checkpoint else None
    done = before.epochs if before else 0
    if before is not None:
        reporter.say(f"goes on after epoch {done}/{epochs}")
        for step, metrics in enumerate(before.history):
            log.metrics(metrics, step=step)
        _restore(network, before)
        if before.ended:
            network.set_weights(before.best)
            return done
    stopping = _stopping()
    keeping = [_keeping(checkpoint, stopping, before, epochs=epochs)] if checkpoint else []
    history = network.fit(
        x=batches(train, batch=batch, seed=seed, done=done),
        steps_per_epoch=steps,
        initial_epoch=done,
        epochs=epochs,
        shuffle=False,  # done by `batches`
        validation_data=(validation.images, validation.labels),
        validation_batch_size=batch,
        callbacks=[_reporting(reporter, log, steps=steps, epochs=epochs), stopping, *keeping],
        verbose=0,
    )
    return done + len(history.epoch)


def batches(train: Split, *, batch: int, seed: int, done: int = 0) -> Iterator[tuple[Pixels, NDArray[np.int64]]]:
    """Batches without end, each epoch in a new order; the last part of an epoch that fills no batch is left out.

    done: epochs that somebody else had before.
    """
    dice = np.random.default_rng(seed)
    for epoch in count():
        order = dice.permutation(len(train))
        for start in range(0, len(order) - batch + 1, batch):
            if epoch < done:
                _moves(dice)
                continue
            places = order[start : start + batch]
            yield turned(train.images[places], dice), train.labels[places]


def turned(images: Pixels, dice: np.random.Generator) -> Pixels:
    """Each half of a batch turned by a multiple of 90° and perhaps mirrored: no shape changes its class by that."""
    halves = np.array_split(images, 2)
    for half, (quarters, mirrored) in zip(halves, _moves(dice), strict=True):
        view = np.rot90(half, quarters, axes=(1, 2))
        half[...] = view[:, :, ::-1].copy() if mirrored else view.copy()
    return images


def _moves(dice: np.random.Generator) -> list[tuple[int, bool]]:
    """How each half of a batch is turned, and whether it is mirrored."""
    return [(int(dice.integers(4)), bool(dice.integers(2))) for _ in range(2)]


def _restore(network: "keras.Model", standing: Standing) -> None:
    """All variables as they were after the epoch."""
    network.optimizer.build(network.trainable_variables)
    kept = (*zip(network.variables, standing.network, strict=True),)
    kept += (*zip(network.optimizer.variables, standing.optimizer, strict=True),)
    for variable, value in kept:
        variable.assign(value)


def _schedule(steps: int, learning_rate: float) -> "keras.optimizers.schedules.LearningRateSchedule":
    import keras

    warm = max(1, int(WARM_UP * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warm), warmup_target=learning_rate, warmup_steps=warm
    )


def _stopping() -> "keras.callbacks.Callback":
    import keras

    return keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE, restore_best_weights=True)


def _reporting(reporter: Reporter, log: EpochLog, *, steps: int, epochs: int) -> "keras.callbacks.Callback":
    import keras

    class Reporting(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
        """Tells each epoch once."""

        def __init__(self) -> None:
            super().__init__()
            self.epoch = 0

        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002  # Keras passes it by name
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002  # Keras passes it by name
            reporter.step((self.epoch + (batch + 1) / steps) / epochs)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            metrics = {name: float(value) for name, value in (logs or {}).items()}
            reporter.say(epoch_line(epoch + 1, epochs, metrics))
            log.metrics(metrics, step=epoch)

    return Reporting()


def _keeping(
    checkpoint: Checkpoint, stopping: "keras.callbacks.EarlyStopping", before: Standing | None, *, epochs: int
) -> "keras.callbacks.Callback":
    """Comes after `stopping`, whose memory it keeps and gives back."""
    import keras

    class Keeping(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
        """Writes down each epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.history = list(before.history) if before else []

        def on_train_begin(self, logs: object = None) -> None:  # noqa: ARG002  # Keras passes it by name
            if before is not None:
                stopping.best, stopping.best_epoch, stopping.wait = before.loss, before.best_epoch, before.waited
                stopping.best_weights = list(before.best)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            self.history.append({name: float(value) for name, value in (logs or {}).items()})
            checkpoint.write(
                Standing(
                    history=tuple(self.history),
                    ended=self.model.stop_training or epoch + 1 == epochs,
                    network=_values(self.model.variables),
                    optimizer=_values(self.model.optimizer.variables),
                    best=tuple(stopping.best_weights),
                    loss=float(stopping.best),
                    best_epoch=stopping.best_epoch,
                    waited=stopping.wait,
                )
            )

    return Keeping()


def _values(variables: Iterable[Any]) -> tuple[NDArray[Any], ...]:
    return tuple(np.asarray(variable.value.numpy()) for variable in variables)
