"""Git carries the release: rebuilt from it in the middle of a canary, a namespace serves the validated version."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cluster.installation import CONTROLLER, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

RELEASED = "inferenceservices,httproutes,servingruntimes"


@contextmanager
def following(installation, overlay) -> Iterator[None]:
    """`geometry manifests release --follow` in a git work tree, and a tool that applies each commit."""
    for command in (["init", "--quiet"], ["config", "user.name", "x"], ["config", "user.email", "x@example.com"]):
        subprocess.run(["git", "-C", overlay, *command], check=True)
    asked = ["--context", installation.context, "--namespace", installation.namespace]
    geometry = Path(sys.executable).with_name("geometry")
    writer = subprocess.Popen([geometry, "manifests", "release", overlay, "--follow", *asked])
    ended, applied = threading.Event(), [""]

    def sync() -> None:
        while not ended.wait(1):
            head = subprocess.run(["git", "-C", overlay, "rev-parse", "HEAD"], capture_output=True, text=True)
            if head.returncode == 0 and head.stdout != applied[0]:
                with suppress(AssertionError):  # the next look tries again
                    apply(installation, overlay)
                    applied[0] = head.stdout

    thread = threading.Thread(target=sync)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        writer.terminate()
        writer.wait()


def apply(installation, overlay) -> None:
    file = ("--filename", str(overlay / "release.yaml"))
    installation.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=git", *file)


@pytest.fixture
def overlay(installation, tmp_path):
    """Where git carries the release, as long as the test lasts; a controller is there before and after it."""
    with installation.policy(writeMode="gitops"), following(installation, tmp_path):
        until((tmp_path / "release.yaml").exists, "the release is written")
        yield tmp_path
        installation.kubectl("scale", "deployment/geometry-controller", "--replicas=1")
        until(lambda: installation.acting(), "a controller acts")


def rebuild(installation, overlay) -> None:
    """Everything released is deleted and comes back from git, while no controller is there."""
    installation.kubectl("scale", "deployment/geometry-controller", "--replicas=0")
    gone = (*CONTROLLER, "--for=delete", "--timeout=120s")
    installation.kubectl("wait", *gone)
    installation.kubectl("delete", RELEASED, "--all", "--wait", "--timeout=180s")
    apply(installation, overlay)


def test_rebuilt_from_git_mid_canary_a_namespace_serves_the_validated_version(installation, candidate, overlay):
    ((stable, _),) = installation.weights().items()
    steps = [{"weight": 10, "soak": 900}]
    promotion = installation.ask("promote", version=candidate, to="production", steps=steps)
    installation.steps(promotion, 10)
    until(lambda: len(installation.weights()) == 2, "the live route shows the step")
    rebuild(installation, overlay)
    until(lambda: set(installation.answers(20)) == {stable.removeprefix("v")}, "the validated version answers")
    assert installation.weights() == {stable: 100}
    installation.kubectl("scale", "deployment/geometry-controller", "--replicas=1")
    until(lambda: len(installation.weights()) == 2, "the rollout goes on from its journal", seconds=300)
    installation.aborts(promotion)
    until(lambda: "canary" not in installation.get("inferenceservice", "shapes")["spec"], "git dropped the canary")
    assert installation.weights() == {stable: 100}
