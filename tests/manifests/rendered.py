"""The manifests as values: what an overlay renders to, what lies in the files, and the pods in both."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from registry.domain.journal import Anchor
from registry.domain.objects import render
from registry.domain.policy import Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import Model, Version
from registry.manifests import read_templates

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]
RELEASE = Release(
    model=Model("shapes"),
    stable=RevisionRelease(Version("3"), "3" * 64, 90, 3),
    canaries=(RevisionRelease(Version("4"), "4" * 64, 10, 1),),
    staging=RevisionRelease(Version("4"), "4" * 64, 0, 1),
    anchor=Anchor(17, "a" * 64),
)


def documents(kubectl: str, folder: str) -> tuple[Object, ...]:
    """What `kubectl kustomize` makes of a folder."""
    ran = subprocess.run([kubectl, "kustomize", folder], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return tuple(yaml.safe_load_all(ran.stdout))


def files() -> dict[Path, Object]:
    """Every object that is written in a file of `manifests/`."""
    found = sorted((ROOT / "manifests").rglob("*.yaml"))
    return {path: yaml.safe_load(path.read_text()) for path in found if path.name != "kustomization.yaml"}


def manifest(name: str) -> Object:
    """One file of `manifests/`."""
    document: Object = yaml.safe_load((ROOT / "manifests" / name).read_text())
    return document


def identity(document: Object) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def pod_templates(document: Object) -> Iterator[Object]:
    """The pod specs inside an object, a ServingRuntime's container list counting as one."""
    spec = document.get("spec", {})
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if document["kind"] in ("Deployment", "CronJob", "Job"):
        yield spec["template"]["spec"]
    if document["kind"] == "ServingRuntime":
        yield spec


def containers(pod: Object) -> Iterator[Object]:
    yield from pod.get("initContainers", ())
    yield from pod["containers"]


def released() -> tuple[Object, ...]:
    """What the registry renders of a release with a canary and a version in staging."""
    return render(RELEASE, read_templates(), Serving())
