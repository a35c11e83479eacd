"""An installation in a cluster, as its users reach it: kubectl with a context, and the gateway."""

import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from training.traffic import Shot, Tally, flowing, shots

Object = dict[str, Any]

CONTROLLER = ("pod", "--selector", "app.kubernetes.io/name=geometry-controller")
"""Its pods, for kubectl."""
ROLLOUT = "900s"
"""How long one may take on a busy laptop; what it waits for meanwhile is evidence."""


@dataclass(frozen=True)
class Installation:
    """gateway: URL of the mapped port. host: the name by which the route knows our requests."""

    context: str
    namespace: str
    gateway: str
    host: str

    @property
    def node(self) -> str:
        """The container that is the kind cluster's node."""
        return f"{self.context.removeprefix('kind-')}-control-plane"

    def has_node(self) -> bool:
        if shutil.which("docker") is None:
            return False
        return subprocess.run(["docker", "inspect", self.node], capture_output=True, check=False).returncode == 0

    def on_node(self, *command: str, given: str | None = None) -> str:
        """Run a command on the kind cluster's node; its stdout. A failure is an AssertionError with its stderr."""
        wanted = ["docker", "exec", "--interactive", self.node, *command]
        ran = subprocess.run(wanted, input=given or "", capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{' '.join(wanted)}: {ran.stderr}"
        return ran.stdout

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Its stdout; a failure is an AssertionError with its stderr."""
        ran = subprocess.run(
            ["kubectl", "--context", self.context, "--namespace", self.namespace, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"kubectl {' '.join(arguments)}: {ran.stderr}"
        return ran.stdout

    def get(self, *what: str) -> Object:
        found: Object = json.loads(self.kubectl("get", *what, "--output", "json"))
        return found

    def caller(self) -> str:
        return self.kubectl("auth", "whoami", "--output", "jsonpath={.status.userInfo.username}")

    def ask(self, action: str, **spec: Any) -> str:
        """Create a Promotion and return its name."""
        wanted = {"action": action, "model": "shapes", "requestedBy": self.caller(), **spec}
        made = {
            "apiVersion": "ml-geometry.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {"generateName": f"{action}-"},
            "spec": wanted,
        }
        name = ("--output", "jsonpath={.metadata.name}")
        return self.kubectl("create", *name, "--filename", "-", given=json.dumps(made))

    def control(self, promotion: str, action: str) -> None:
        change = json.dumps({"spec": {"control": {"action": action, "by": self.caller()}}})
        self.kubectl("patch", "promotion", promotion, "--type", "merge", "--patch", change)

    def wait(self, promotion: str, what: str) -> Object:
        """Until a condition or a field is so; what a Promotion then says."""
        self.kubectl("wait", f"promotion/{promotion}", f"--for={what}", f"--timeout={ROLLOUT}")
        return self.get("promotion", promotion)

    def train(self, name: str) -> str:
        """Train with a Job from the template; the version that it published."""
        self.kubectl("create", "job", name, "--from=cronjob/geometry-train")
        self.kubectl("wait", f"job/{name}", "--for=condition=Complete", f"--timeout={ROLLOUT}")
        told = dict(line.split(maxsplit=1) for line in self.kubectl("logs", f"job/{name}").splitlines() if " " in line)
        return str(told["version"]).strip()

    def weights(self) -> dict[str, int]:
        """Percent of live requests by revision, as the route of the gateway has them."""
        rule = self.get("httproute", "shapes")["spec"]["rules"][0]
        found = {part["name"].removeprefix("shapes-").removesuffix("-predictor"): part for part in rule["backendRefs"]}
        whole = sum(part["weight"] for part in found.values())
        percents = {name: round(100 * part["weight"] / whole) for name, part in found.items()}
        return {name: percent for name, percent in percents.items() if percent}

    def told(self, path: str) -> str:
        """What the controller lets be read, through the API server's service proxy."""
        service = f"/api/v1/namespaces/{self.namespace}/services/geometry-controller:http/proxy"
        return self.kubectl("get", "--raw", f"{service}/{path}")

    def _says(self, path: str) -> str:
        """As `told`; "" where nobody answers: one that is just started answers soon."""
        try:
            return self.told(path)
        except AssertionError:
            return ""

    @contextmanager
    def policy(self, **changes: Any) -> Iterator[None]:
        """The policy with other values of some keys, as the controller sees it, as long as the context lasts."""
        before = self.get("configmap", "geometry-policy")["data"]["policy.yaml"]
        wanted = yaml.safe_load(before)
        for key, values in changes.items():
            wanted[key] = {**wanted.get(key, {}), **values} if isinstance(values, Mapping) else values
        self.say_policy(yaml.safe_dump(wanted))
        try:
            yield
        finally:
            self.say_policy(before)

    def say_policy(self, text: str) -> None:
        """Let the controller have this policy; returns when it does."""
        change = json.dumps({"data": {"policy.yaml": text}})
        self.kubectl("patch", "configmap", "geometry-policy", "--type", "merge", "--patch", change)
        until(lambda: self._sees(text), "the controller sees its policy")

    def _sees(self, policy: str) -> bool:
        # A kubelet looks at what its pods mount every minute or so, and at once when a pod changes; it may have looked
        # before it heard of the new one.
        self.kubectl("annotate", *CONTROLLER, "--overwrite", f"ml-geometry.io/looked-at={time.monotonic_ns()}")
        return self._says("policy") == policy

    def steps(self, promotion: str, weight: int) -> None:
        """Until its version has so many percent of the requests; an AssertionError when it ended before."""

        def reached() -> bool:
            status = self.get("promotion", promotion).get("status", {})
            assert "ended" not in status, status["message"]
            return bool(status.get("weight") == weight)

        until(reached, f"{promotion} has {weight} % of the requests", seconds=600)

    def aborts(self, promotion: str) -> None:
        """Abort it, and wait until nobody of it is left."""
        self.control(promotion, "abort")
        self.wait(promotion, "condition=Complete")

    def acting(self) -> bool:
        """Whether a controller is there, ready and the only one."""
        found = self.get("deployment", "geometry-controller")
        status, wanted = found["status"], found["metadata"]["generation"]
        if status.get("observedGeneration") != wanted:
            return False
        if not status.get("replicas") == status.get("readyReplicas") == status.get("updatedReplicas") == 1:
            return False
        # The status may be from before an API server was away; the process knows.
        return self._says("readyz") == "ok\n"

    def image(self, workload: str) -> str:
        """Of its first container."""
        return str(self.get(workload)["spec"]["template"]["spec"]["containers"][0]["image"])

    def tag(self, image: str, name: str) -> None:
        """Bring an image into the kind cluster under another name."""
        cluster = self.context.removeprefix("kind-")
        for command in (["docker", "tag", image, name], ["kind", "load", "docker-image", "--name", cluster, name]):
            subprocess.run(command, check=True, capture_output=True)

    def template(self, cronjob: str, name: str) -> Object:
        """A Job from a CronJob's template, not created yet."""
        made = ("job", name, f"--from={cronjob}", "--dry-run=client", "--output", "json")
        job: Object = json.loads(self.kubectl("create", *made))
        return job

    def containers(self, revision: str) -> Sequence[Object]:
        """Of each pod of a revision: the container that serves, as it is wanted."""
        pods = self.get("pods", "--selector", f"app=isvc.shapes-{revision}-predictor")["items"]
        return [pod["spec"]["containers"][0] for pod in pods]

    def pods(self, revision: str = "") -> dict[str, int]:
        """Restarts by uid of the predictors' pods, or of those of one revision."""
        label = f"app=isvc.shapes-{revision}-predictor" if revision else "serving.kserve.io/inferenceservice=shapes"
        return {
            pod["metadata"]["uid"]: sum(state["restartCount"] for state in pod["status"].get("containerStatuses", ()))
            for pod in self.get("pods", "--selector", label)["items"]
        }

    @contextmanager
    def traffic(self, *, rate: float) -> Iterator[Tally]:
        """Real images through the gateway as long as the context lasts."""
        with flowing(self.gateway, self.pictures(), rate=rate) as tally:
            yield tally

    def answers(self, count: int) -> Counter[str]:
        """By which version so many requests were answered; "" are those that failed."""
        with self.traffic(rate=20) as tally:
            until(lambda: tally.sent >= count, f"{count} answers")
        return tally.answers + Counter({"": len(tally.failures)})

    def approve(self, version: str, digest: str) -> None:
        """An Approval in the caller's name."""
        made = {
            "apiVersion": "ml-geometry.io/v1alpha1",
            "kind": "Approval",
            "metadata": {"generateName": "said-"},
            "spec": {"model": "shapes", "version": version, "digest": digest, "by": self.caller()},
        }
        self.kubectl("create", "--filename", "-", given=json.dumps(made))

    def pictures(self) -> Sequence[Shot]:
        return shots(f"http://{self.host}", "shapes", seed=11, count=64)


def until(holds: Callable[[], bool], what: str, *, seconds: float = 180) -> None:
    """Look until it holds; an AssertionError that says what did not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
