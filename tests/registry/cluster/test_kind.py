"""A rollout on a real cluster under traffic: no request fails, and pods that should survive do.

Wants a cluster with platform and images (`make kind-up`), its context in GEOMETRY_CONTEXT (else kind-geometry), and its
gateway at GEOMETRY_GATEWAY (else 127.0.0.1:8080). Everything happens in a namespace of its own. SOURCE=1 runs this
checkout's `registry` there instead of the image's.
"""

import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
import yaml
from PIL import Image

from registry.domain.version import DEFAULT_MODEL, Version
from registry.store.home import Home
from tests.fixtures.versions import publish_tiny
from tests.manifests.conftest import program
from tests.manifests.rendered import ROOT

pytestmark = pytest.mark.cluster

CONTEXT = os.environ.get("GEOMETRY_CONTEXT", "kind-geometry")
GATEWAY = os.environ.get("GEOMETRY_GATEWAY", "127.0.0.1:8080")
NAMESPACE = os.environ.get("GEOMETRY_NAMESPACE", "geometry-substrate")
HOST = f"{NAMESPACE}.localhost"
RATE = int(os.environ.get("GEOMETRY_RATE", "100"))
SECONDS = os.environ.get("GEOMETRY_SECONDS", "10")
PREDICTOR, CONTROLLER = "ml-geometry/predictor:0.1.0", "ml-geometry/controller:0.1.0"
STORE = "/store"
PARTS = defaultdict(
    tuple,
    serving=("serviceaccount",),
    store=("model-store",),
    registry=("serviceaccount", "role-controller", "rolebinding-controller"),
    crds=("promotions", "approvals", "models"),
)
"""Of `manifests/`, what a rollout needs."""


def kubectl(*arguments: str, sent: bytes | None = None, check: bool = True) -> str:
    command = [program("kubectl"), "--context", CONTEXT, "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, input=sent, capture_output=True, check=False, timeout=600)
    assert not (check and done.returncode), done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two signed versions: those of the folder GEOMETRY_HOME, else tiny ones."""
    if given := os.environ.get("GEOMETRY_HOME"):
        return Home(Path(given))
    made = Home(tmp_path_factory.mktemp("home"))
    publish_tiny(made.root)
    publish_tiny(made.root, flip=True)
    return made


@pytest.fixture(scope="module")
def namespace(home: Home) -> Iterator[str]:
    """An installation's parts that a rollout needs, with both versions in the store and a pod to work in."""
    if subprocess.run(
        [program("kubectl"), "--context", CONTEXT, "version"], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"context {CONTEXT} is not there: make kind-up, or set GEOMETRY_CONTEXT")
    if not listens(GATEWAY):
        pytest.skip(f"no gateway listens at {GATEWAY}: make kind-up, or set GEOMETRY_GATEWAY")
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    kubectl("create", "namespace", NAMESPACE)
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", NAMESPACE, enforce)
    for path in (*(ROOT / "manifests").glob("*/*.yaml"), *(ROOT / "manifests" / "registry" / "crds").glob("*.yaml")):
        made = yaml.safe_load(path.read_text())
        if path.stem in PARTS[path.parent.name]:
            kubectl("apply", "-f", "-", sent=yaml.safe_dump(fitted(made)).encode())
    trust = next((home.root / "keys").glob("trust*"))
    kubectl("create", "configmap", "geometry-trust", f"--from-file=trust.json={trust}")
    kubectl("apply", "-f", "-", sent=yaml.safe_dump(worker()).encode())
    kubectl("wait", "pod/worker", "--for=condition=Ready", "--timeout=180s")
    unpack(home.store, STORE)
    if os.environ.get("SOURCE"):
        unpack(ROOT / "registry", "/tmp/source/registry")
        unpack(ROOT / "manifests" / "predictor", "/tmp/source/registry/manifests/predictor")
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


def listens(address: str) -> bool:
    """Whether somebody takes connections there; what is answered depends on routes, which come later."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def fitted(made: dict) -> dict:
    """As the overlay for one node has it."""
    if made["kind"] == "RoleBinding":
        made["subjects"][0]["namespace"] = NAMESPACE
    if made["kind"] == "PersistentVolumeClaim":
        made["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return made


def worker() -> dict:
    """A pod with the controller's rights and image, which may write to the store."""
    limits = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    container = {
        "name": "worker",
        "image": CONTROLLER,
        "command": ["python", "-c", "import time; time.sleep(86400)"],
        "securityContext": limits,
        "volumeMounts": [{"name": "store", "mountPath": STORE}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    user = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    store = {"name": "store", "persistentVolumeClaim": {"claimName": "model-store"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker"},
        "spec": {
            "serviceAccountName": "geometry-controller",
            "automountServiceAccountToken": True,
            "securityContext": user,
            "containers": [container],
            "volumes": [store, {"name": "tmp", "emptyDir": {}}],
        },
    }


def unpack(folder: Path, target: str) -> None:
    """A folder of this machine in the pod."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in folder.iterdir():  # not the folder itself, which belongs to somebody else there
            archive.add(path, arcname=path.name)
    code = f"import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall({target!r})"
    kubectl("exec", "-i", "worker", "--", "python", "-c", code, sent=packed.getvalue())


@dataclass
class Traffic:
    """Requests at a steady rate over several connections. failed: what was no success, with its time."""

    answered: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self, share: int) -> None:
        body, connection = image(), HTTPConnection(GATEWAY, timeout=20)
        due = time.monotonic()
        while not self.ended.is_set():
            due += share / RATE
            time.sleep(max(0, due - time.monotonic()))
            try:
                connection.request("POST", "/predict", body, {"Host": HOST, "Content-Type": "image/png"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException) as error:
                connection.close()
                self._fail(f"{type(error).__name__}: {error}")
                continue
            if answer.status == 200:
                with self.lock:
                    revision = answer.headers.get("x-revision", "")
                    self.answered[revision] = self.answered.get(revision, 0) + 1
            else:
                self._fail(str(answer.status))

    def _fail(self, how: str) -> None:
        with self.lock:
            self.failed.append(f"{time.strftime('%H:%M:%S')} {how}")


def image() -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (224, 224), (200, 30, 60)).save(packed, "PNG")
    return packed.getvalue()


@contextmanager
def traffic(threads: int = 10) -> Iterator[Traffic]:
    made = Traffic()
    workers = [threading.Thread(target=made.send, args=(threads,), daemon=True) for _ in range(threads)]
    for one in workers:
        one.start()
    yield made
    made.ended.set()
    for one in workers:
        one.join(30)


def digest(home: Home, version: str) -> str:
    return home.versions().verify(DEFAULT_MODEL, Version(version), home.trust()).digest


@pytest.mark.timeout(1800)
def test_a_rollout_with_promotion_rollback_and_another_promotion_fails_no_request(namespace: str, home: Home) -> None:
    source = (ROOT / "tests" / "registry" / "cluster" / "drive.py").read_bytes()
    environment = ("env", "PYTHONPATH=/tmp/source") if os.environ.get("SOURCE") else ()
    given = (digest(home, "1"), digest(home, "2"), SECONDS, HOST, PREDICTOR)
    command = (program("kubectl"), "--context", CONTEXT, "--namespace", namespace, "exec", "-i", "worker", "--")
    process = subprocess.Popen(
        [*command, *environment, "python", "-", *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(source)
    process.stdin.close()
    steps = follow(process)
    assert [step["reached"] for step in steps] == [True] * len(steps), steps
    assert process.wait(60) == 0
    pods = {step["step"]: step["pods"] for step in steps}
    one, two = "isvc.shapes-v1-predictor", "isvc.shapes-v2-predictor"
    assert pods["50 percent"] == pods["promoted"]
    assert pods["promoted"][one] == pods["rolled back"][one]
    assert pods["half again"] == pods["promoted again"]
    assert pods["window closed"] == {two: pods["promoted again"][two]}
    assert all(pod.endswith(".0") for found in pods.values() for names in found.values() for pod in names)


def follow(process: subprocess.Popen[bytes]) -> list[dict]:
    """The steps as they are reached; from the first answer on there is traffic, none of which may fail."""
    steps: list[dict] = []
    assert process.stdout is not None
    for line in process.stdout:
        steps.append(json.loads(line))
        print(line.decode(), end="", flush=True)
        if steps[-1]["step"] == "first version serves":
            break
    with traffic() as sent:
        for line in process.stdout:
            steps.append(json.loads(line))
            print(line.decode(), end="", flush=True)
    print(sent.answered, sent.failed[:20], flush=True)
    assert sent.failed == []
    assert sent.answered["v1"] > RATE
    assert sent.answered["v2"] > RATE
    return steps
