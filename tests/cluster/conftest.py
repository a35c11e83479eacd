"""The cluster that `make kind-up` makes, or another: GEOMETRY_CONTEXT, GEOMETRY_NAMESPACE, GEOMETRY_GATEWAY and
GEOMETRY_HOST name it."""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.cluster.installation import Installation, Object, until

AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: ["system:serviceaccount:{namespace}:geometry-controller"]
  - level: None
"""

READER = "test_verbs.py"
"""The tests that ask what was noted."""


@pytest.fixture(scope="session")
def installation() -> Installation:
    """A running installation that serves a model; the tests are skipped, saying what to do, where there is none."""
    named = os.environ.get
    found = Installation(
        context=named("GEOMETRY_CONTEXT", "kind-geometry"),
        namespace=named("GEOMETRY_NAMESPACE", "ml-geometry-dev"),
        gateway=named("GEOMETRY_GATEWAY", "http://127.0.0.1:8080"),
        host=named("GEOMETRY_HOST", "shapes.localhost"),
    )
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not in PATH: install it")
    asked = ("--context", found.context, "--namespace", found.namespace, "--request-timeout=10s")
    ran = subprocess.run(["kubectl", *asked, "get", "httproute", "shapes"], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        pytest.skip(f"{found.context}, {found.namespace}: no model is served ({ran.stderr.strip()}): make kind-up")
    return found


@pytest.fixture(scope="session")
def candidate(installation: Installation) -> str:
    """A version beside the one that serves, trained by a Job; GEOMETRY_VERSION names one that is there."""
    return os.environ.get("GEOMETRY_VERSION") or installation.train("e2e-" + uuid.uuid4().hex[:5])


@pytest.fixture(scope="session", autouse=True)
def unhurried(installation: Installation, audit: object) -> Iterator[None]:
    """A machine that runs a cluster beside its tests answers more slowly than production must, and that is no news."""
    with installation.policy(checklist=[{"check": "latency", "max": 2}]):
        yield


@pytest.fixture(scope="session", autouse=True)
def audit(request: pytest.FixtureRequest, installation: Installation) -> Callable[[], Sequence[Object]]:
    """What the API server of the kind cluster noted of the controller; it is told to note it before the first test."""
    if not any(item.path.name == READER for item in request.session.items):
        return tuple  # an API server that starts anew keeps everybody waiting
    if not installation.has_node():
        return lambda: pytest.skip(f"{installation.node} is no kind node here: its API server notes nothing")
    # The kubelet starts the API server anew with what its manifest says; certificates are mounted there already.
    policy = AUDIT.format(namespace=installation.namespace)
    begin = (
        "cat > /etc/kubernetes/pki/audit.yaml; cd /etc/kubernetes/manifests; grep -q audit-log kube-apiserver.yaml || "
        "sed -i 's,^    - kube-apiserver$,&\\n    - --audit-log-path=-"
        "\\n    - --audit-policy-file=/etc/kubernetes/pki/audit.yaml,' kube-apiserver.yaml"
    )
    installation.on_node("sh", "-c", begin, given=policy)
    until(lambda: _flags(installation), "the API server notes what the controller does")
    until(installation.acting, "a controller acts again")

    def noted() -> Sequence[Object]:
        read = "zcat -f /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log*"
        lines = installation.on_node("sh", "-c", read).splitlines()
        parts = (line.split(" ", 3)[-1] for line in lines if '"audit.k8s.io/v1"' in line)
        return [json.loads(part) for part in parts]

    return noted


def _flags(installation: Installation) -> bool:
    """Whether the API server that answers now was started with an audit log."""
    server = ("--namespace", "kube-system", "get", "pods", "--selector", "component=kube-apiserver", "--output", "json")
    asked = ["kubectl", "--context", installation.context, "--request-timeout=5s", *server]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    pods = json.loads(ran.stdout)["items"] if ran.returncode == 0 else ()
    started = [pod["spec"]["containers"][0]["command"] for pod in pods if pod["status"]["phase"] == "Running"]
    return any("--audit-log-path=-" in command for command in started)
