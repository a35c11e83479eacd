"""A run in MLflow that loses nothing.

Everything is first written into a directory of its own below `unlogged/`, then sent. The first failure ends sending,
so that a dead server costs seconds; the directory stays then and is named. When all has arrived, it is removed.
"""

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.domain.errors import Unreachable

if TYPE_CHECKING:
    import keras

MODEL_ARTIFACT = "model"
KEPT_MODEL = "model.keras"
LOCAL_ARTIFACTS = "mlartifacts"
# MLflow's own defaults retry a dead server for minutes; what is set in the environment already holds.
_BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is data
}
_NEVER = 1 << 60  # steps between autologged batches


class Run:
    """One run. `run_id` is MLflow's; `kept` is the directory that has everything until it is logged."""

    def __init__(self, uri: str, experiment: str, run_id: str, *, kept: Path) -> None:
        self.uri, self.experiment, self.run_id, self.kept = uri, experiment, run_id, kept
        self.failure: str | None = None
        self._registered: str | None = None
        (kept / "artifacts").mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where to look at the run: a page of the server, or the database."""
        if self.uri.startswith("http"):
            return f"{self.uri.rstrip('/')}/#/experiments/{self.experiment}/runs/{self.run_id}"
        return self.uri

    def begin(self) -> None:
        """Make this the run of the calling thread, and let MLflow log what it knows of Keras by itself."""
        self._send(self._begin)

    def parameters(self, values: Mapping[str, object]) -> None:
        """Record parameters, as text."""
        texts = {name: str(value) for name, value in values.items()}
        self._append("parameters.jsonl", texts)
        self._send(lambda: self._client().log_batch(self.run_id, params=_params(texts)))

    def metrics(self, values: Mapping[str, float], *, step: int = 0) -> None:
        """Record metrics of one epoch, or of the end."""
        self._append("metrics.jsonl", {"step": step, **values})
        self._send(lambda: _mlflow().log_metrics(dict(values), step=step, run_id=self.run_id))

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags."""
        self._append("tags.jsonl", values)
        self._send(lambda: _mlflow().set_tags(dict(values)))

    def artifacts(self, files: Mapping[str, bytes]) -> None:
        """Record files."""
        for name, content in files.items():
            (self.kept / "artifacts" / name).write_bytes(content)
        self._send(lambda: self._client().log_artifacts(self.run_id, str(self.kept / "artifacts")))

    def model(self, model: "keras.Model", *, requirements: list[str]) -> None:
        """Record the Keras model with signature and requirements."""
        model.save(self.kept / KEPT_MODEL)
        self._send(lambda: self._log_model(model, requirements))

    def register(self, name: str, *, version: str, digest: str) -> None:
        """Make the recorded model a version of MLflow's registered model `name`, tagged with ours."""
        tags = {"version": version, "digest": digest}
        self.tags(tags)
        self._append("registered.jsonl", {"name": name, **tags})
        self._send(lambda: self._register(name, tags))

    def close(self, *, succeeded: bool) -> None:
        """End the run. Its directory goes when all of it is logged, and stays otherwise."""
        self._attempt(lambda: self._end("FINISHED" if succeeded else "FAILED"))
        if self.failure is None:
            shutil.rmtree(self.kept)

    def _client(self) -> Any:
        return _mlflow().MlflowClient(self.uri)

    def _begin(self) -> None:
        mlflow = _mlflow()
        mlflow.start_run(run_id=self.run_id, log_system_metrics=False)
        # Epochs are logged by us, and by us alone: with the learning rate, and kept when the server is gone.
        mlflow.keras.autolog(
            log_models=False, log_datasets=False, log_every_epoch=False, log_every_n_steps=_NEVER, silent=True
        )

    def _end(self, status: str) -> None:
        mlflow = _mlflow()
        mlflow.keras.autolog(disable=True, silent=True)
        mlflow.end_run(status)

    def _log_model(self, model: "keras.Model", requirements: list[str]) -> None:
        mlflow = _mlflow()
        # Both are given: guessing them starts a process of 20 seconds.
        logged = mlflow.keras.log_model(
            model, name=MODEL_ARTIFACT, signature=_signature(model), pip_requirements=requirements
        )
        self._registered = logged.model_uri

    def _register(self, name: str, tags: dict[str, str]) -> None:
        _mlflow().register_model(self._registered, name, tags=tags, await_registration_for=0)

    def _append(self, file: str, values: Mapping[str, object]) -> None:
        with (self.kept / file).open("a") as lines:
            lines.write(json.dumps(values) + "\n")

    def _send(self, action: Callable[[], object]) -> None:
        if self.failure is None:
            self._attempt(action)

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # MLflow passes on what requests, SQLAlchemy and the system raise
            first_line = str(error).partition("\n")[0]
            self.failure = self.failure or f"{type(error).__name__}: {first_line[:200]}"


def open_run(uri: str, *, experiment: str, name: str, root: Path) -> Run:
    """Start a run; raises Unreachable when there is no tracking server or database at `uri`.

    root: the installation's folder, for artifacts (of a local database) and for what is not logged yet.
    """
    try:
        mlflow = _mlflow()
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        experiment_id = _experiment(client, experiment, None if uri.startswith("http") else root / LOCAL_ARTIFACTS)
        run_id = client.create_run(experiment_id, run_name=name).info.run_id
    except Exception as error:
        raise Unreachable(
            f"MLflow at {uri} does not answer ({type(error).__name__}); start it, or unset MLFLOW_TRACKING_URI "
            "for a database in the installation's folder"
        ) from error
    return Run(uri, experiment_id, run_id, kept=root / "unlogged" / run_id)


def load_model(uri: str, run_id: str, *, root: Path) -> "keras.Model | None":
    """The Keras model of an earlier run, from MLflow or from what was kept; None when neither has it."""
    kept = root / "unlogged" / run_id / KEPT_MODEL
    if kept.exists():
        import keras

        return keras.saving.load_model(kept, compile=False)
    mlflow = _mlflow()
    try:
        mlflow.set_tracking_uri(uri)
        return mlflow.keras.load_model(f"runs:/{run_id}/{MODEL_ARTIFACT}", load_model_kwargs={"compile": False})
    except Exception:  # as in Run._send; the caller says what is missing
        return None


def complete_registration(uri: str, *, name: str, version: str, digest: str, run_id: str) -> bool:
    """Register a published version whose run was killed before it could; False when there is nothing to do.

    Raises Unreachable when MLflow does not answer or has no model of that run.
    """
    mlflow = _mlflow()
    try:
        mlflow.set_tracking_uri(uri)
        wanted = {"version": version, "digest": digest}
        if any(wanted.items() <= found.tags.items() for found in _versions(mlflow.MlflowClient(uri), name)):
            return False
        mlflow.register_model(f"runs:/{run_id}/{MODEL_ARTIFACT}", name, tags=wanted, await_registration_for=0)
    except Exception as error:  # as in Run._send
        raise Unreachable(f"MLflow at {uri} could not register {name} {version} ({type(error).__name__})") from error
    return True


def _versions(client: Any, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'"))


def _experiment(client: Any, name: str, artifacts: Path | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = None if artifacts is None else (artifacts / uuid.uuid4().hex[:8]).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _signature(model: "keras.Model") -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    _, height, width, channels = model.input_shape
    images = TensorSpec(np.dtype("uint8"), (-1, height, width, channels), "images")
    probabilities = TensorSpec(np.dtype("float32"), (-1, model.output_shape[-1]), "probabilities")
    return ModelSignature(inputs=Schema([images]), outputs=Schema([probabilities]))


def _params(texts: Mapping[str, str]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, text) for name, text in texts.items()]


def _mlflow() -> Any:
    """MLflow, imported when it is needed: it takes seconds."""
    for name, value in _BOUNDS.items():
        os.environ.setdefault(name, value)
    import mlflow

    for noisy in ("alembic", "mlflow.store.db.utils", "mlflow.tracking._model_registry.client"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return mlflow
