"""InferenceServices and ServingRuntimes as processes: what a KServe controller reads from them, for one machine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument
from registry.domain.objects import DIGEST_VARIABLE, STAGING, STORE_CLAIM, Object, service_name
from registry.domain.version import Model, Revision, Version, model_name, version_name


@dataclass(frozen=True)
class Workload:
    """One revision of one InferenceService. service: the name routes know it by, one for each running process.

    directory: the version, relative to the store. arguments and environment: the runtime's and the model's.
    """

    service: str
    inference_service: str
    model: Model
    revision: Revision
    version: Version
    digest: str
    directory: Path
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]

    @property
    def staging(self) -> bool:
        return self.inference_service.endswith(STAGING)


def workloads(objects: Iterable[Object]) -> tuple[Workload, ...]:
    """Every revision the objects want; raises InvalidDocument for one that could not run."""
    objects = tuple(objects)
    runtimes = {item["metadata"]["name"]: item for item in objects if item["kind"] == "ServingRuntime"}
    return tuple(
        _workload(item["metadata"]["name"], predictor, runtimes)
        for item in objects
        if item["kind"] == "InferenceService"
        for predictor in _predictors(item)
    )


def routes(objects: Iterable[Object], *, live: bool) -> tuple[Object, ...]:
    """The HTTPRoutes for live traffic, or those for tests."""
    wanted = "live-route" if live else "pinned-route"
    component = "app.kubernetes.io/component"
    return tuple(
        item for item in objects if item["kind"] == "HTTPRoute" and item["metadata"]["labels"][component] == wanted
    )


def _predictors(service: Object) -> tuple[Fields, ...]:
    name = service["metadata"]["name"]
    canaries: Sequence[Mapping[str, Any]] = service["spec"].get("canary", ())
    return (
        Fields(service["spec"].get("predictor"), f"InferenceService {name}: predictor"),
        *(Fields(canary.get("predictor"), f"InferenceService {name}: canary") for canary in canaries),
    )


def _workload(inference_service: str, predictor: Fields, runtimes: Mapping[str, Object]) -> Workload:
    where = f"InferenceService {inference_service}"
    model = predictor.object("model")
    runtime = runtimes.get(model.text("runtime"))
    if runtime is None:
        raise InvalidDocument(f"{where}: runtime {model.text('runtime')} is not among the objects")
    container = runtime["spec"]["containers"][0]
    named, version, directory = _stored(model.text("storageUri"), where)
    environment = {item["name"]: item["value"] for item in (*container.get("env", ()), *model.document["env"])}
    if not environment.get(DIGEST_VARIABLE):
        raise InvalidDocument(f"{where}: {DIGEST_VARIABLE} is missing in the environment of {predictor.text('name')}")
    revision = Revision(predictor.text("name"))
    return Workload(
        service=service_name(inference_service, revision),
        inference_service=inference_service,
        model=named,
        revision=revision,
        version=version,
        digest=environment[DIGEST_VARIABLE],
        directory=directory,
        arguments=(*container.get("args", ()), *model.document.get("args", ())),
        environment=tuple(sorted(environment.items())),
    )


def _stored(uri: str, where: str) -> tuple[Model, Version, Path]:
    """Model, version and directory of a storageUri; names are checked, so none can lead out of the store."""
    parts = uri.removeprefix(STORE_CLAIM).split("/")
    if not uri.startswith(STORE_CLAIM) or len(parts) != 3 or parts[0] != "models":
        raise InvalidDocument(f"{where}: storageUri is {uri!r}, wanted {STORE_CLAIM}models/MODEL/VERSION")
    return model_name(parts[1]), version_name(parts[2]), Path(*parts)
