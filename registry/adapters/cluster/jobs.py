"""Training as a Job of the cluster: made from the installation's template, told as it goes, ended with its exit code.

The template is the suspended CronJob `geometry-train`: images, volumes, keys and limits are said there once.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.adapters.cluster.api import PODS, Api, Resource
from registry.domain.errors import NotFound, Unreachable
from registry.domain.objects import Object

TEMPLATE = "geometry-train"
CRON_JOBS, JOBS = Resource("batch/v1", "cronjobs"), Resource("batch/v1", "jobs")
DATA = "/data"
"""Where a claim with images is mounted."""
LOOK = 1.0
"""Seconds between two looks at a Job that has nothing to tell."""
PATIENCE = 120.0
"""Seconds without an answer of the API server after which the Job is no longer followed."""


@dataclass(frozen=True)
class Wish:
    """What differs from the template. arguments: of `geometry`. data: a PersistentVolumeClaim, read-only at DATA."""

    arguments: Sequence[str]
    image: str | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None


def job_of(template: Object, wish: Wish) -> Object:
    """The Job that a CronJob would make, with what is wished."""
    pattern = template["spec"]["jobTemplate"]
    spec = copy.deepcopy(pattern["spec"])
    pod = spec["template"]["spec"]
    box = pod["containers"][0]
    box["args"] = list(wish.arguments)
    if wish.image:
        box["image"] = wish.image
    if wish.resources:
        given = box.setdefault("resources", {})
        for bound in ("requests", "limits"):
            given[bound] = {**given.get(bound, {}), **wish.resources}
    if wish.data:
        pod["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": wish.data, "readOnly": True}})
        box["volumeMounts"].append({"name": "data", "mountPath": DATA, "readOnly": True})
    labels = (pattern.get("metadata") or {}).get("labels") or {}
    made = {"generateName": "train-", "labels": dict(labels)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": spec}


def submit(api: Api, wish: Wish) -> str:
    """Create the Job and return its name. Raises NotFound where no installation is, Refused by what admits it."""
    try:
        template = api.get(CRON_JOBS, TEMPLATE)
    except NotFound as error:
        raise NotFound(
            f"namespace {api.namespace} has no CronJob {TEMPLATE}; apply an overlay there, or name another with -n"
        ) from error
    return str(api.create(JOBS, job_of(template, wish))["metadata"]["name"])


@dataclass
class Following:
    """One Job on its way. say: gets every line of its log, and why it waits."""

    api: Api
    name: str
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _told: dict[tuple[str, int], int] = field(default_factory=dict)
    _waits: str = ""
    _answered: float | None = None

    def end(self) -> int:
        """Stay until the Job has ended; 0, or the exit code of its last attempt. Raises NotFound, Unreachable."""
        while True:
            try:
                ended, pods = self._look()
                self._answered = self.clock()
                for pod in pods:
                    self._tell(pod)
            except Unreachable:
                # The log's stream ended with its connection, or the API server is away: the Job goes on.
                if self._answered is None or self.clock() - self._answered > PATIENCE:
                    raise
                ended, pods = None, []
            if ended is not None:
                return 0 if ended == "Complete" else _exit_code(pods)
            self.sleep(LOOK)

    def _look(self) -> tuple[str | None, list[Object]]:
        """How it ended, as it was before its pods were looked at; and its pods, oldest first."""
        ended = _ended(self.api.get(JOBS, self.name))
        pods = self.api.list(PODS, selector=f"batch.kubernetes.io/job-name={self.name}")
        return ended, sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def _tell(self, pod: Object) -> None:
        state = _state(pod)
        if state is None or not {"running", "terminated"} & set(state["state"]):
            self._tell_waiting(pod, state)
            return
        attempt = (str(pod["metadata"]["uid"]), int(state["restartCount"]))
        if self._told.get(attempt) == -1:
            return
        for number, line in enumerate(self.api.log(pod["metadata"]["name"], follow="running" in state["state"])):
            if number >= self._told.get(attempt, 0):
                self._told[attempt] = number + 1
                self.say(line)
        if "terminated" in state["state"]:
            self._told[attempt] = -1

    def _tell_waiting(self, pod: Object, state: Object | None) -> None:
        waits = next(iter(_waiting(pod, state)), "")
        if waits and waits != self._waits:
            self._waits = waits
            self.say(f"{pod['metadata']['name']} waits: {waits}")


def _ended(job: Object) -> str | None:
    found = (job.get("status") or {}).get("conditions") or ()
    return next(
        (item["type"] for item in found if item["type"] in ("Complete", "Failed") and item["status"] == "True"), None
    )


def _state(pod: Object) -> Any:
    """What the kubelet says of the one container, once it does."""
    return next(iter((pod.get("status") or {}).get("containerStatuses") or ()), None)


def _waiting(pod: Object, state: Object | None) -> Iterator[str]:
    """Why a pod does not run yet, the nearest reason first."""
    waiting = ((state or {}).get("state") or {}).get("waiting") or {}
    if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        yield f"{waiting['reason']}: {waiting.get('message', '')}"
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"{condition.get('reason', '')}: {condition.get('message', '')}"


def _exit_code(pods: Sequence[Object]) -> int:
    """Of the last attempt that ended; 1 where the kubelet does not know it any more."""
    for pod in reversed(pods):
        state = _state(pod) or {}
        for where in ("state", "lastState"):
            ended = (state.get(where) or {}).get("terminated")
            if ended and ended["exitCode"]:
                return int(ended["exitCode"])
    return 1
