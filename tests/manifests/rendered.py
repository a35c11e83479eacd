"""The manifests as values: what an overlay renders to, what lies in the files, and the pods in both."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]


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
