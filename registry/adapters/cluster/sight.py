"""One look at the namespace: objects as they were listed, and what they say about revisions and the route. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.adapters.cluster.api import (
    AUTOSCALERS,
    ENDPOINT_SLICES,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    PODS,
    SERVING_RUNTIMES,
    Api,
)
from registry.domain.objects import DIGEST_VARIABLE, Object, service_name
from registry.domain.policy import FP32
from registry.domain.version import Revision, Version

CONTAINER = "kserve-container"
HTTP_PORT = "http1"
_PORT = 8080
_REVISION = re.compile(r"v[0-9]+(-[0-9]+-[0-9]+)?")
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})


@dataclass(frozen=True)
class Entry:
    """One revision as an InferenceService names it. replicas: `minReplicas`. runtime: its ServingRuntime's name, empty
    where there is no such object. digest: empty for what somebody edited into something that no release has."""

    version: Version
    name: Revision
    digest: str
    replicas: int
    runtime: str
    variant: str = FP32


@dataclass(frozen=True)
class Pod:
    """One pod of a revision. address: of its HTTP port, None while it has none. ready: it is a ready endpoint.

    problem: what keeps it from being one, in the cluster's words; None where the cluster names nothing.
    """

    name: str
    incarnation: str
    address: str | None
    ready: bool
    restarts: int
    out_of_memory: bool
    problem: str | None = None


@dataclass(frozen=True)
class Sight:
    """What was listed. By name, where names count."""

    services: Mapping[str, Object]
    routes: Mapping[str, Object]
    runtimes: Mapping[str, Object]
    pods: Sequence[Object]
    slices: Sequence[Object]
    autoscalers: Mapping[str, Object] = field(default_factory=dict)

    def of_kind(self, kind: str) -> Mapping[str, Object]:
        """By name, the objects of a kind that releases consist of."""
        return {"InferenceService": self.services, "HTTPRoute": self.routes, "ServingRuntime": self.runtimes}[kind]

    def entries(self, service: str) -> tuple[Entry, ...]:
        """The revisions of an InferenceService, the stable one first; none where there is no such object."""
        found = self.services.get(service)
        if found is None:
            return ()
        spec = found["spec"]
        predictors = [spec["predictor"], *(canary["predictor"] for canary in spec.get("canary") or ())]
        return tuple(_entry(predictor, self.runtimes) for predictor in predictors)

    def has_service(self, service: str, revision: Revision) -> bool:
        """Whether KServe has made the Service of a revision: only then does it have slices of endpoints."""
        return any(True for _ in self._slices(service_name(service, revision)))

    def pods_of(self, service: str, revision: Revision) -> tuple[Pod, ...]:
        """The pods of one revision that are not on their way out."""
        named = service_name(service, revision)
        ready = self._ready(named)
        return tuple(
            _pod(pod, ready=pod["metadata"]["name"] in ready)
            for pod in self.pods
            if pod["metadata"].get("labels", {}).get("app") == f"isvc.{named}"
            and not pod["metadata"].get("deletionTimestamp")
        )

    def incarnations(self) -> frozenset[str]:
        """Of all pods of the namespace's revisions."""
        return frozenset(_pod(pod, ready=False).incarnation for pod in self.pods)

    def _slices(self, service: str) -> Iterator[Object]:
        label = "kubernetes.io/service-name"
        return (found for found in self.slices if found["metadata"].get("labels", {}).get(label) == service)

    def _ready(self, service: str) -> frozenset[str]:
        """Pods that the gateway may send to."""
        return frozenset(
            endpoint["targetRef"]["name"]
            for found in self._slices(service)
            for endpoint in found.get("endpoints") or ()
            if endpoint.get("targetRef") and (endpoint.get("conditions") or {}).get("ready") is not False
        )


NOTHING = Sight({}, {}, {}, (), ())


def look(api: Api) -> Sight:
    """List everything that a turn looks at."""
    return Sight(
        services=_named(api.list(INFERENCE_SERVICES)),
        routes=_named(api.list(HTTP_ROUTES)),
        runtimes=_named(api.list(SERVING_RUNTIMES)),
        pods=api.list(PODS, selector="serving.kserve.io/inferenceservice"),
        slices=api.list(ENDPOINT_SLICES),
        autoscalers=_named(api.list(AUTOSCALERS)),
    )


def _named(objects: Sequence[Object]) -> dict[str, Object]:
    return {found["metadata"]["name"]: found for found in objects}


def version_of(revision: str) -> Version:
    """The version that a revision's name stands for; inverse of `revision_name`."""
    return Version(revision.removeprefix("v").replace("-", "."))


def _entry(predictor: Mapping[str, Any], runtimes: Mapping[str, Object]) -> Entry:
    name, model = str(predictor.get("name") or ""), predictor.get("model") or {}
    digests = [found.get("value", "") for found in model.get("env") or () if found.get("name") == DIGEST_VARIABLE]
    runtime, arguments = str(model.get("runtime") or ""), model.get("args") or [FP32]
    return Entry(
        version=version_of(name),
        name=Revision(name),
        digest=digests[0] if digests and _REVISION.fullmatch(name) else "",
        replicas=int(predictor.get("minReplicas") or 1),
        runtime=runtime if runtime in runtimes else "",
        variant=str(arguments[-1]),
    )


def _pod(pod: Object, *, ready: bool) -> Pod:
    status = pod.get("status") or {}
    containers = [found for found in status.get("containerStatuses") or () if found["name"] == CONTAINER]
    restarts = sum(found.get("restartCount", 0) for found in containers)
    ended = [(found.get(when) or {}).get("terminated") for found in containers for when in ("state", "lastState")]
    address = status.get("podIP")
    return Pod(
        name=pod["metadata"]["name"],
        incarnation=f"{pod['metadata']['uid']}.{restarts}",
        address=f"{address}:{_http_port(pod)}" if address else None,
        ready=ready,
        restarts=restarts,
        out_of_memory=any(found and found.get("reason") == "OOMKilled" for found in ended),
        problem=None if ready else _problem(status, containers),
    )


def _problem(status: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> str | None:
    """`Unschedulable: …`, `CrashLoopBackOff: …`, `Evicted: …`; a container that is just being made is no problem."""
    conditions = [found for found in status.get("conditions") or () if found["type"] == "PodScheduled"]
    waiting = [(found.get("state") or {}).get("waiting") for found in containers]
    told = [
        *(found for found in waiting if found and found.get("reason") not in _STARTING),
        *(found for found in conditions if found["status"] == "False"),
        *([status] if status.get("phase") == "Failed" else ()),
    ]
    if not told:
        return None
    reason, message = told[0].get("reason") or "not ready", told[0].get("message")
    return f"{reason}: {message}" if message else str(reason)


def _http_port(pod: Object) -> int:
    ports = [
        port["containerPort"]
        for container in pod["spec"]["containers"]
        if container["name"] == CONTAINER
        for port in container.get("ports") or ()
        if port.get("name") == HTTP_PORT
    ]
    return int(ports[0]) if ports else _PORT
