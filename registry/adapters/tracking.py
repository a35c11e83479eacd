"""The journal's projection into MLflow: stage tags and the aliases `production`, `staging`, `previous`.

Never a source: it is written from the journal, only where MLflow differs, and repaired by the next projection. The
controller runs it as a short-lived child process (`python -m registry.adapters.tracking`: one JSON object on stdin, one
on stdout), so that MLflow's memory and seconds of import never burden a turn.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.domain.documents import Fields
from registry.domain.errors import RegistryError, Unreachable
from registry.domain.version import Model, Version, model_name, version_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

VERSION_TAG = "version"
DIGEST_TAG = "digest"
STAGE_TAG = "stage"
ALIASES = ("production", "staging", "previous")

_SQLITE = "sqlite:///"
# A tracking server that is away must cost seconds: MLflow's own defaults are seven retries of two minutes each.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclass(frozen=True)
class Projection:
    """What a projection did. changes: one sentence each, empty when MLflow agreed. absent: versions MLflow lacks."""

    changes: tuple[str, ...]
    absent: tuple[Version, ...]


def project(
    *,
    tracking_uri: str,
    model: Model,
    stages: Mapping[Version, str],
    digests: Mapping[Version, str],
    production: Version | None,
    staging: Version | None,
    previous: Version | None,
) -> Projection:
    """Make MLflow say of `model` what the journal says; write only differences.

    A version of ours is the MLflow model version whose tags `version` and `digest` are both ours (the newest of
    several). What MLflow does not have is left alone and named in `absent`; an alias whose version is absent is
    removed, so that it never names another one. Raises Unreachable.
    """
    if _no_database(tracking_uri):
        return Projection((), tuple(stages))
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise Unreachable("MLflow is not installed here; install the extra `training`") from error
    try:
        client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        found = _find(client, model, digests)
        holders = {"production": production, "staging": staging, "previous": previous}
        changes = (*_tag(client, found, stages), *_alias(client, model, found, holders))
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise Unreachable(f"MLflow did not answer ({type(error).__name__}: {_first_line(error)})") from error
    return Projection(changes, tuple(version for version in stages if version not in found))


def _no_database(tracking_uri: str) -> bool:
    """Is this a SQLite file that does not exist? Asking MLflow would create it, with a schema that takes seconds."""
    return tracking_uri.startswith(_SQLITE) and not Path(tracking_uri.removeprefix(_SQLITE)).exists()


def _find(client: "MlflowClient", model: Model, digests: Mapping[Version, str]) -> dict[Version, "ModelVersion"]:
    found: dict[Version, ModelVersion] = {}
    for candidate in sorted(_versions(client, model), key=lambda candidate: int(candidate.version)):
        version = Version(candidate.tags.get(VERSION_TAG, ""))
        if version in digests and candidate.tags.get(DIGEST_TAG) == digests[version]:
            found[version] = candidate
    return found


def _versions(client: "MlflowClient", model: Model) -> Iterator["ModelVersion"]:
    page = client.search_model_versions(f"name='{model}'")
    yield from page
    while page.token:
        page = client.search_model_versions(f"name='{model}'", page_token=page.token)
        yield from page


def _tag(
    client: "MlflowClient", found: Mapping[Version, "ModelVersion"], stages: Mapping[Version, str]
) -> Iterator[str]:
    for version, stage in stages.items():
        if version not in found or found[version].tags.get(STAGE_TAG) == stage:
            continue
        there = found[version]
        client.set_model_version_tag(there.name, there.version, STAGE_TAG, stage)
        yield f"version {version}: stage {there.tags.get(STAGE_TAG, 'none')} → {stage}"


def _alias(
    client: "MlflowClient",
    model: Model,
    found: Mapping[Version, "ModelVersion"],
    holders: Mapping[str, Version | None],
) -> Iterator[str]:
    """An alias MLflow has and the journal has not is deleted; others than ours are the user's and stay."""
    if not client.search_registered_models(f"name='{model}'"):
        return
    aliases = client.get_registered_model(model).aliases
    for alias, version in holders.items():
        wanted = found[version].version if version is not None and version in found else None
        have = aliases.get(alias)
        if wanted is None and have is not None:
            client.delete_registered_model_alias(model, alias)
            yield f"alias {alias}: removed"
        elif wanted is not None and str(wanted) != str(have):
            client.set_registered_model_alias(model, alias, wanted)
            yield f"alias {alias}: version {version}"


def _first_line(error: Exception) -> str:
    """What went wrong, in one line; MLflow's messages carry whole stacks and SQL."""
    return str(error).strip().partition("\n")[0][:200]


def _version(fields: Fields, key: str) -> Version | None:
    return version_name(fields.text(key)) if fields.has(key) else None


def _texts(fields: Fields) -> dict[Version, str]:
    return {version_name(key): fields.text(key) for key in fields}


def main(content: bytes) -> int:
    """Project what the JSON object `content` says, the arguments of `project` by name; print what was done as JSON.

    Returns the exit code: 0, 1 for an object that breaks its schema, 5 for an MLflow that does not answer.
    """
    try:
        fields = Fields.parse(content, "projection")
        projection = project(
            tracking_uri=fields.text("tracking_uri"),
            model=model_name(fields.text("model")),
            stages=_texts(fields.object("stages")),
            digests=_texts(fields.object("digests")),
            production=_version(fields, "production"),
            staging=_version(fields, "staging"),
            previous=_version(fields, "previous"),
        )
    except RegistryError as error:
        print(error, file=sys.stderr)
        return 5 if isinstance(error, Unreachable) else 1
    print(json.dumps({"changes": projection.changes, "absent": projection.absent}))
    return 0


if __name__ == "__main__":
    os.environ.update({**_PATIENCE, **os.environ})
    sys.exit(main(sys.stdin.buffer.read()))
