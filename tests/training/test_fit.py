"""Fitting: batches without end, turned images, and a network that really learns."""

import io
from collections.abc import Mapping
from itertools import islice

import numpy as np

from training.architectures import build
from training.fit import batches, fit, turned
from training.progress import Lines, epoch_line, reporter
from training.settings import ModelType
from training.split import Split


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, Mapping[str, float]]] = []

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        self.epochs.append((step, values))


def split(count: int, *, seed: int = 1) -> Split:
    """Dark images are class 0, images with a bright lower right quarter class 1."""
    dice = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = dice.integers(0, 60, (count, 64, 64, 3), np.uint8)
    images[labels == 1, 32:, 32:] += 180
    return Split(images, labels, tuple(f"{seed}-{i}" for i in range(count)), np.zeros(count, np.bool_))


def test_an_epoch_has_every_image_at_most_once() -> None:
    train = split(10)
    labels = [images.sum() for images, _ in islice(batches(train, batch=3, seed=1), 3)]
    assert len(set(labels)) == 3


def test_the_same_seed_repeats_the_batches() -> None:
    first, second, other = (next(batches(split(20), batch=8, seed=seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_batches_leave_the_images_as_they_are() -> None:
    train = split(8)
    before = train.images.copy()
    list(islice(batches(train, batch=4, seed=1), 6))
    assert np.array_equal(train.images, before)


def test_turning_moves_pixels_and_changes_none() -> None:
    images = np.random.default_rng(1).integers(0, 256, (7, 8, 8, 3), np.uint8)
    moved = turned(images.copy(), np.random.default_rng(2))
    for before, after in zip(images, moved, strict=True):
        assert sorted(map(tuple, before.reshape(-1, 3))) == sorted(map(tuple, after.reshape(-1, 3)))
    assert not np.array_equal(images, moved)


def test_a_network_learns_and_each_epoch_is_told() -> None:
    log, told = Log(), io.StringIO()
    network = build(ModelType.CUSTOM, classes=2, seed=1, quick=True)
    with reporter(told) as telling:
        epochs = fit(
            network,
            split(128),
            split(32, seed=2),
            epochs=4,
            batch=16,
            learning_rate=1e-3,
            seed=1,
            reporter=telling,
            log=log,
        )
    assert (epochs, [step for step, _ in log.epochs]) == (4, [0, 1, 2, 3])
    assert log.epochs[-1][1]["val_accuracy"] > 0.9
    assert {"loss", "accuracy", "val_loss"} <= log.epochs[0][1].keys()
    assert [line.split()[:2] for line in told.getvalue().splitlines()] == [["epoch", f"{n}/4"] for n in range(1, 5)]


def test_a_stream_that_is_no_terminal_gets_lines() -> None:
    with reporter(io.StringIO()) as telling:
        assert isinstance(telling, Lines)


def test_an_epochs_line_has_its_figures() -> None:
    assert epoch_line(2, 6, {"loss": 0.5, "accuracy": 0.25}) == "epoch 2/6  accuracy 0.2500  loss 0.5000"


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    network = build(ModelType.CUSTOM, classes=2, seed=1, quick=True)
    train = split(5)
    with reporter(io.StringIO()) as telling:
        done = fit(network, train, train, epochs=1, batch=64, learning_rate=1e-3, seed=1, reporter=telling, log=Log())
    assert done == 1
