"""The chart rendered by helm: a copy of it, whose dependency is a stub that shows the values it was given."""

import copy
import functools
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.monitoring.expressions import CHART

Object = dict[str, Any]
CASES = tuple(sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")))
CRDS = Path(__file__).with_name("crds")
KUBERNETES = "1.34"
STACK = "kube-prometheus-stack"

_SHOWN = """
apiVersion: v1
kind: ConfigMap
metadata: {name: given-to-the-stack}
data: {values.json: {{ .Values | toJson | quote }}}
"""
_TOLD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: told}
data: {notes: {{ tpl (.Files.Get "notes.txt") . | quote }}}
"""


def pinned() -> str:
    """The dependency's version in Chart.yaml."""
    (dependency,) = yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]
    assert dependency["name"] == STACK
    return str(dependency["version"])


@dataclass(frozen=True)
class Chart:
    """A folder that helm can render, and helm."""

    folder: Path
    helm: str

    @classmethod
    def copied(cls, folder: Path, helm: str, *, version: str | None = None) -> "Chart":
        """With a stub of the dependency at the pinned version, or at another."""
        shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("charts", "__pycache__"))
        stub = folder / "charts" / STACK
        (stub / "templates").mkdir(parents=True)
        (stub / "Chart.yaml").write_text(
            yaml.safe_dump({"apiVersion": "v2", "name": STACK, "version": version or pinned()})
        )
        (stub / "templates" / "shown.yaml").write_text(_SHOWN)
        return cls(folder, helm)

    def asked(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What helm says; it knows no repositories, and no cluster unless one is named."""
        home = {name: str(self.folder.parent / "helm") for name in ("HELM_CONFIG_HOME", "HELM_CACHE_HOME")}
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder.parent), **home}
        return subprocess.run([self.helm, *arguments], env=environment, capture_output=True, text=True, check=False)

    def notes(self, *flags: str) -> str:
        """What is told to whoever installs it: in a further copy, as a template that needs no cluster."""
        telling = Chart(self.folder.with_name("telling"), self.helm)
        if not telling.folder.exists():
            shutil.copytree(self.folder, telling.folder)
            (telling.folder / "templates" / "NOTES.txt").rename(telling.folder / "notes.txt")
            (telling.folder / "templates" / "told.yaml").write_text(_TOLD)
        return str(of_kind(telling.rendered(*flags), "ConfigMap")["told"]["data"]["notes"])

    def template(self, *flags: str, release: str = "monitoring") -> subprocess.CompletedProcess[str]:
        """`helm template` with these flags, as for a cluster of the version that the manifests are checked for."""
        version = ("--kube-version", f"{KUBERNETES}.0")
        return self.asked("template", release, str(self.folder), "--namespace", "monitoring", *version, *flags)

    def rendered(self, *flags: str, release: str = "monitoring") -> tuple[Object, ...]:
        """Its objects; helm's complaint is an AssertionError."""
        ran = self.template(*flags, release=release)
        assert ran.returncode == 0, ran.stderr
        return tuple(found for found in yaml.load_all(ran.stdout, yaml.CSafeLoader) if found)

    def case(self, name: str) -> tuple[Object, ...]:
        """What one of ci/*-values.yaml makes; asked of helm once."""
        return copy.deepcopy(_rendered(self, name))


@functools.cache
def _rendered(chart: Chart, case: str) -> tuple[Object, ...]:
    return chart.rendered("--values", str(CHART / "ci" / f"{case}-values.yaml"))


def of_kind(objects: tuple[Object, ...], kind: str) -> dict[str, Object]:
    """Objects of a kind by their names."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def values() -> Object:
    """The chart's own."""
    found: Object = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def given(chart: Chart) -> Object:
    """The values that the dependency gets."""
    shown: Object = json.loads(of_kind(chart.rendered(), "ConfigMap")["given-to-the-stack"]["data"]["values.json"])
    return shown


@functools.cache
def custom_kinds() -> dict[str, jsonschema.Draft202012Validator]:
    """The operator's schemas by kind, refusing every field that they do not know."""
    definitions = [json.loads(path.read_text()) for path in sorted(CRDS.glob("*.json"))]
    return {
        found["spec"]["names"]["kind"]: jsonschema.Draft202012Validator(
            _closed(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        )
        for found in definitions
    }


def validate_custom(document: Object) -> None:
    """Raises jsonschema's ValidationError."""
    custom_kinds()[document["kind"]].validate(document)


def _closed(schema: Any) -> Any:
    """A server drops what a schema does not name; in a test that is an error. Metadata is everybody's."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: part if name == "metadata" else _closed(part) for name, part in schema.items()}
    if isinstance(parts.get("pattern"), str):
        parts["pattern"] = parts["pattern"].replace("^(?i)", "(?i)^")  # Go allows flags anywhere, Python only in front
    if parts.pop("x-kubernetes-int-or-string", False):
        return {**{name: part for name, part in parts.items() if name != "anyOf"}, "type": ["integer", "string"]}
    open_anyway = {"additionalProperties", "x-kubernetes-preserve-unknown-fields"} & parts.keys()
    if isinstance(parts.get("properties"), dict) and parts.get("type") == "object" and not open_anyway:
        parts["additionalProperties"] = False
    return parts
