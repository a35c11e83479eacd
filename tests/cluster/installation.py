"""An installation in a cluster, as its users reach it: kubectl with a context, and the gateway."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from training.traffic import Shot, Tally, flowing, shots

Object = dict[str, Any]

ROLLOUT = "900s"
"""How long one may take on a busy laptop; what it waits for meanwhile is evidence."""


@dataclass(frozen=True)
class Installation:
    """gateway: URL of the mapped port. host: the name by which the route knows our requests."""

    context: str
    namespace: str
    gateway: str
    host: str

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
        return {name: part["weight"] for name, part in found.items() if part["weight"]}

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

    def pictures(self) -> Sequence[Shot]:
        return shots(f"http://{self.host}", "shapes", seed=11, count=64)
