"""The journal's projection into MLflow: tags of versions, aliases, and reports of rollouts as artifacts.

Never a source: it is written from the journal, only where MLflow differs, and repaired by the next projection. The
controller runs it as a short-lived child process (`mirroring.py`), so that MLflow's memory and seconds of import never
burden a turn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.domain.errors import Unreachable
from registry.domain.mirror import DIGEST_TAG, VERSION_TAG, Mirrored
from registry.domain.version import Model, Version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

REPORT_TAG = "report"
REPORTS = "rollouts"
"""The folder of a run's artifacts in which reports lie."""

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Report:
    """The page about a rollout that has ended, as a file."""

    version: Version
    path: Path


@dataclass(frozen=True)
class Projection:
    """What a projection did, and what it could not do yet.

    changes: one sentence each, empty when MLflow agreed. absent: versions MLflow lacks. unattached: one sentence for
    each report that MLflow did not take.
    """

    changes: tuple[str, ...] = ()
    absent: tuple[Version, ...] = ()
    unattached: tuple[str, ...] = ()


def project(
    *,
    tracking_uri: str,
    wanted: Mirrored,
    run_of: Callable[[Version], str | None],
    reports: Sequence[Report] = (),
) -> Projection:
    """Make MLflow say of a model what the journal says; write only differences.

    A version of ours is the MLflow model version whose tags `version` and `digest` are both ours (the newest of
    several); where these tags were altered, the one of the run that our version was trained in (run_of). What MLflow
    does not have is left alone and named in `absent`; an alias whose version is absent is removed, so that it never
    names another one. reports: oldest first. Raises Unreachable.
    """
    if _no_database(tracking_uri):
        return Projection(absent=tuple(wanted.tags))
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise Unreachable("MLflow is not installed here; install the extra `training`") from error
    failures = (MlflowException, SQLAlchemyError, OSError)
    try:
        client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        found = _find(client, wanted, run_of)
        changes = [*_tag(client, found, wanted), *_alias(client, wanted, found)]
    except failures as error:
        raise Unreachable(f"MLflow did not answer ({_first_line(error)})") from error
    unattached: list[str] = []
    for version, pages in _by_version(reports).items():
        if version in found:
            try:
                changes += _attach(client, found[version], pages)
            except failures as error:
                unattached.append(f"reports of version {version}: not attached ({_first_line(error)})")
    return Projection(tuple(changes), tuple(name for name in wanted.tags if name not in found), tuple(unattached))


def _no_database(tracking_uri: str) -> bool:
    """Is this a SQLite file that does not exist? Asking MLflow would create it, with a schema that takes seconds."""
    return tracking_uri.startswith(_SQLITE) and not Path(tracking_uri.removeprefix(_SQLITE)).exists()


def _find(
    client: "MlflowClient", wanted: Mirrored, run_of: Callable[[Version], str | None]
) -> dict[Version, "ModelVersion"]:
    found: dict[Version, ModelVersion] = {}
    others: dict[str, ModelVersion] = {}
    for candidate in sorted(_versions(client, wanted.model), key=lambda candidate: int(candidate.version)):
        version = Version(candidate.tags.get(VERSION_TAG, ""))
        if version in wanted.tags and candidate.tags.get(DIGEST_TAG) == wanted.digest(version):
            found[version] = candidate
        elif candidate.run_id:
            others[candidate.run_id] = candidate
    missing = [version for version in wanted.tags if version not in found] if others else []
    runs = {version: run_of(version) for version in missing}
    return found | {version: others[run] for version, run in runs.items() if run in others}


def _versions(client: "MlflowClient", model: Model) -> Iterator["ModelVersion"]:
    page = client.search_model_versions(f"name='{model}'")
    yield from page
    while page.token:
        page = client.search_model_versions(f"name='{model}'", page_token=page.token)
        yield from page


def _tag(client: "MlflowClient", found: Mapping[Version, "ModelVersion"], wanted: Mirrored) -> Iterator[str]:
    for version, there in found.items():
        for tag, value in wanted.tags[version].items():
            have = there.tags.get(tag)
            if have != value:
                client.set_model_version_tag(there.name, there.version, tag, value)
                yield f"version {version}: {tag} {have or 'none'} → {value}"


def _alias(client: "MlflowClient", wanted: Mirrored, found: Mapping[Version, "ModelVersion"]) -> Iterator[str]:
    """An alias MLflow has and the journal has not is deleted; others than ours are the user's and stay."""
    model = wanted.model
    if not client.search_registered_models(f"name='{model}'"):
        return
    there = client.get_registered_model(model).aliases
    for alias, version in wanted.aliases.items():
        holder = found[version].version if version is not None and version in found else None
        have = there.get(alias)
        if holder is None and have is not None:
            client.delete_registered_model_alias(model, alias)
            yield f"alias {alias}: removed"
        elif holder is not None and str(holder) != str(have):
            client.set_registered_model_alias(model, alias, holder)
            yield f"alias {alias}: version {version}"


def _by_version(reports: Sequence[Report]) -> dict[Version, list[Path]]:
    found: dict[Version, list[Path]] = {}
    for report in reports:
        found.setdefault(report.version, []).append(report.path)
    return found


def _attach(client: "MlflowClient", there: "ModelVersion", pages: Sequence[Path]) -> Iterator[str]:
    """Lay a version's reports into the run it was trained in and name the newest one; raises what MLflow raises.

    A report that is told on is longer than before, so its size says whether the run has it.
    """
    version = there.tags.get(VERSION_TAG)
    if not there.run_id or client.get_run(there.run_id).info.lifecycle_stage != "active":
        raise OSError(f"the run {there.run_id or 'it was trained in'} was deleted in MLflow")
    sizes = {Path(found.path).name: found.file_size for found in client.list_artifacts(there.run_id, REPORTS)}
    for page in pages:
        if sizes.get(page.name) != page.stat().st_size:
            client.log_artifact(there.run_id, str(page), REPORTS)
            yield f"version {version}: report {REPORTS}/{page.name} attached"
    newest = f"{REPORTS}/{pages[-1].name}"
    if there.tags.get(REPORT_TAG) != newest:
        client.set_model_version_tag(there.name, there.version, REPORT_TAG, newest)
        yield f"version {version}: {REPORT_TAG} {there.tags.get(REPORT_TAG, 'none')} → {newest}"


def _first_line(error: Exception) -> str:
    """What went wrong, in one line; MLflow's messages carry whole stacks and SQL."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
