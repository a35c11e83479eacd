"""Runs in MLflow: a real database, and a server that dies."""

import json
from pathlib import Path
from typing import Any

import pytest

from registry.adapters.tracking import project
from registry.domain.errors import Unreachable
from registry.domain.journal import Draft, Kind
from registry.domain.mirror import mirrored
from registry.domain.version import Model
from tests.registry.domain.builders import recorded
from training.tracking import load_model, open_run


@pytest.fixture(scope="module")
def net() -> Any:
    import keras

    images = keras.Input((4, 4, 3), dtype="uint8")
    flow = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(flow), name="net")


def test_a_logged_run_leaves_nothing_behind_and_its_network_can_be_loaded(
    database: str, net: Any, tmp_path: Path
) -> None:
    run = open_run(database, experiment="shapes", name="quick", root=tmp_path)
    run.begin()
    run.parameters({"seed": 1})
    run.metrics({"loss": 0.5}, step=0)
    run.artifacts({"picture.png": b"png"})
    run.model(net, requirements=["keras"])
    run.register("shapes", version="1", digest="d" * 64)
    run.close(succeeded=True)
    assert (run.failure, run.kept.exists()) == (None, False)
    loaded = load_model(database, run.run_id, root=tmp_path)
    assert loaded is not None
    assert [w.tolist() for w in loaded.get_weights()] == [w.tolist() for w in net.get_weights()]


def test_a_registered_model_is_the_version_that_the_registry_looks_for(database: str, net: Any, tmp_path: Path) -> None:
    run = open_run(database, experiment="registered", name="quick", root=tmp_path)
    run.begin()
    run.model(net, requirements=["keras"])
    run.register("registered", version="7", digest="e" * 64)
    run.close(succeeded=True)
    journal = recorded([Draft(Kind.PUBLISHED, "controller", {"version": "7", "digest": "e" * 64})])
    wanted = mirrored(Model("registered"), journal)
    projected = project(tracking_uri=database, wanted=wanted, run_of=lambda version: None)
    assert projected.absent == ()
    assert "version 7: stage none → development" in projected.changes


def test_what_a_dying_server_does_not_take_is_kept_and_training_goes_on(server: Any, net: Any, tmp_path: Path) -> None:
    run = open_run(server.url, experiment="shapes", name="quick", root=tmp_path)
    run.begin()
    run.parameters({"seed": 1})
    assert run.failure is None
    server.die()
    run.metrics({"loss": 0.5}, step=0)
    run.artifacts({"picture.png": b"png"})
    run.model(net, requirements=["keras"])
    run.register("shapes", version="1", digest="d" * 64)
    run.close(succeeded=True)
    assert run.failure is not None
    assert json.loads((run.kept / "metrics.jsonl").read_text()) == {"step": 0, "loss": 0.5}
    assert json.loads((run.kept / "parameters.jsonl").read_text()) == {"seed": "1"}
    assert (run.kept / "artifacts" / "picture.png").read_bytes() == b"png"
    assert load_model(server.url, run.run_id, root=tmp_path) is not None


def test_a_server_that_is_not_there_is_named_before_anything_is_trained(server: Any, tmp_path: Path) -> None:
    server.die()
    with pytest.raises(Unreachable, match=r"does not answer .* unset MLFLOW_TRACKING_URI"):
        open_run(server.url, experiment="shapes", name="quick", root=tmp_path)


def test_a_run_that_nobody_has_cannot_be_loaded(database: str, tmp_path: Path) -> None:
    assert load_model(database, "f" * 32, root=tmp_path) is None
