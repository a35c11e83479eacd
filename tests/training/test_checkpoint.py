"""A fit that is killed goes on with what an unkilled one has."""

import io
from pathlib import Path

import numpy as np
import pytest

from tests.training.test_fit import Log
from training.checkpoint import Checkpoint, Standing
from training.fit import batches, fit
from training.progress import reporter
from training.split import Split

EPOCHS = 3


class Killed(BaseException):
    """What no handler of errors keeps from ending the run."""


class Dying(Log):
    """Dies in the last epoch, before it is kept."""

    def metrics(self, values, *, step):
        if step == EPOCHS - 1:
            raise Killed
        super().metrics(values, step=step)


def split(count: int, *, seed: int) -> Split:
    dice = np.random.default_rng(seed)
    images = dice.integers(0, 256, (count, 4, 4, 3), np.uint8)
    return Split(images, np.arange(count) % 2, tuple(map(str, range(count))), np.zeros(count, np.bool_))


def fitted(log: Log, checkpoint: Checkpoint | None):
    """A net of two layers that throws dice of its own."""
    import keras

    keras.utils.set_random_seed(1)
    flow = keras.layers.Flatten()(image := keras.Input((4, 4, 3)))
    network = keras.Model(image, keras.layers.Dense(2)(keras.layers.Dropout(0.5)(flow)))
    told = io.StringIO()
    with reporter(told) as telling:
        done = fit(
            network, split(32, seed=1), split(8, seed=2), epochs=EPOCHS, batch=8, learning_rate=1e-2, seed=1,
            reporter=telling, log=log, checkpoint=checkpoint,
        )  # fmt: skip
    return network.get_weights(), done, told.getvalue()


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_killed_it_ends_with_the_weights_and_metrics_of_an_unkilled_run(tmp_path):
    unkilled, log, again = Log(), Log(), Log()
    weights, _, _ = fitted(unkilled, None)
    checkpoint = Checkpoint(tmp_path / "new", "run")
    with pytest.raises(Killed):
        fitted(Dying(), checkpoint)
    found, done, told = fitted(log, checkpoint)
    assert (done, log.epochs, same(found, weights)) == (EPOCHS, unkilled.epochs, True)
    assert f"goes on after epoch {EPOCHS - 1}/{EPOCHS}" in told
    found, done, told = fitted(again, checkpoint)  # killed after the last epoch: it fits no more
    assert (done, again.epochs, same(found, weights)) == (EPOCHS, unkilled.epochs, True)
    assert "\nepoch" not in told


STANDING = Standing(
    history=({"loss": 1.5},),
    ended=False,
    network=(np.ones((2, 3), np.float32), np.array(7)),
    optimizer=(np.array(3, np.int64),),
    best=(np.zeros(2),),
    loss=0.25,
    best_epoch=0,
    waited=1,
)


def test_what_is_written_is_what_is_read(tmp_path):
    checkpoint = Checkpoint(tmp_path, "run")
    checkpoint.write(STANDING)
    found = checkpoint.read()
    assert (found.history, found.loss, found.waited, found.epochs) == (STANDING.history, 0.25, 1, 1)
    assert same(found.network, STANDING.network)
    assert found.optimizer[0].dtype == np.int64
    checkpoint.clear()
    assert checkpoint.read() is None


def test_another_runs_is_not_gone_on_from(tmp_path):
    Checkpoint(tmp_path, "run").write(STANDING)
    assert Checkpoint(tmp_path, "other").read() is None


@pytest.mark.parametrize("content", [b"", b"PK", b"nonsense"])
def test_a_file_that_cannot_be_read_begins_anew(tmp_path: Path, content: bytes):
    checkpoint = Checkpoint(tmp_path, "run")
    checkpoint.path.write_bytes(content)
    assert checkpoint.read() is None


def test_a_write_that_fails_leaves_the_epoch_before(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path, "run")
    checkpoint.write(STANDING)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        checkpoint.write(STANDING)
    monkeypatch.undo()
    assert checkpoint.read() is not None


def test_batches_go_on_where_an_epoch_ended():
    train = split(10, seed=1)
    whole = batches(train, batch=3, seed=1)
    for _ in range(2 * 3):
        next(whole)
    assert np.array_equal(next(whole)[0], next(batches(train, batch=3, seed=1, done=2))[0])
