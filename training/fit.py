"""Fitting: Adam along one warm-up and one cosine, images turned and mirrored on the way, the best epoch kept."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from predictor.image import Pixels
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
) -> int:
    """Train `network` (logits) in place and return the number of epochs. The same seed repeats the order of images.

    It stops early when `validation` loss gets no better, and ends with the weights of the best epoch.
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
    history = network.fit(
        x=batches(train, batch=batch, seed=seed),
        steps_per_epoch=steps,
        epochs=epochs,
        shuffle=False,  # done by `batches`
        validation_data=(validation.images, validation.labels),
        validation_batch_size=batch,
        callbacks=[_reporting(reporter, log, steps=steps, epochs=epochs), _stopping()],
        verbose=0,
    )
    return len(history.epoch)


def batches(train: Split, *, batch: int, seed: int) -> Iterator[tuple[Pixels, NDArray[np.int64]]]:
    """Batches without end, each epoch in a new order; the last part of an epoch that fills no batch is left out."""
    dice = np.random.default_rng(seed)
    while True:
        order = dice.permutation(len(train))
        for start in range(0, len(order) - batch + 1, batch):
            places = order[start : start + batch]
            yield turned(train.images[places], dice), train.labels[places]


def turned(images: Pixels, dice: np.random.Generator) -> Pixels:
    """Each half of a batch turned by a multiple of 90° and perhaps mirrored: no shape changes its class by that."""
    halves = np.array_split(images, 2)
    for half in halves:
        quarters, mirrored = int(dice.integers(4)), bool(dice.integers(2))
        view = np.rot90(half, quarters, axes=(1, 2))
        half[...] = view[:, :, ::-1].copy() if mirrored else view.copy()
    return images


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
