"""Prometheus and Alertmanager beside a local installation: what they read, and both as supervised children.

Their rules and routes are the files of `charts/monitoring/files`, as they are; the rest is written here. What to scrape
is a file that Prometheus reads again when it changes: revisions come and go, and a dead one stays listed as long as the
controller wants it, so that it is seen to be down.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from registry.adapters.local.envoy import LOOPBACK
from registry.adapters.local.processes import Child
from registry.adapters.local.state import LocalState
from registry.domain.errors import InvalidDocument, NotFound
from registry.store import durable

PREDICTOR, CONTROLLER = "ml-geometry-predictor", "ml-geometry-controller"
"""The jobs that the rules speak of."""

NAMESPACE = "local"
"""What stands where a cluster's namespace would."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """files: rules and routes. Ports on loopback. webhook: is told of every alert. scrape: seconds between two.

    lookback: for how long a sample that was not followed by another counts as the present one; Prometheus's own is 5m.
    """

    files: Path
    prometheus: int
    alertmanager: int
    webhook: str | None = None
    scrape: str = "5s"
    lookback: str = "5m"


def targets(state: LocalState) -> list[Document]:
    """What there is to scrape, with the labels that a cluster's monitors would give."""
    found = [
        _target(
            f"{LOOPBACK}:{revision.http}",
            job=PREDICTOR,
            service=f"{revision.model}-staging" if revision.staging else revision.model,
            revision=revision.revision,
            pod=f"{revision.model}-{revision.revision}" + ("-staging" if revision.staging else ""),
        )
        for revision in state.revisions
        if revision.http
    ]
    if state.metrics:
        found.append(_target(urlsplit(state.metrics).netloc, job=CONTROLLER, pod="controller"))
    return found


def _target(address: str, **labels: str) -> Document:
    return {"targets": [address], "labels": {"namespace": NAMESPACE, **labels}}


def prometheus_configuration(settings: Settings, directory: Path) -> Document:
    """Its whole configuration; `directory` has the file of targets."""
    return {
        "global": {"scrape_interval": settings.scrape, "evaluation_interval": "15s"},
        "rule_files": [str(settings.files.resolve() / "rules" / "*.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{LOOPBACK}:{settings.alertmanager}"]}]}]},
        "scrape_configs": [
            {
                "job_name": "ml-geometry",
                # A predictor names no pod of its own; what it did name would count.
                "honor_labels": False,
                "file_sd_configs": [{"files": [str(directory.resolve() / "targets.json")]}],
            }
        ],
    }


def alertmanager_configuration(settings: Settings) -> Document:
    """Routes and inhibition as they are; with a webhook every receiver calls it. Raises NotFound, InvalidDocument."""
    path = settings.files / "alertmanager.yaml"
    try:
        document = yaml.safe_load(path.read_text())
        for receiver in document["receivers"] if settings.webhook else ():
            receiver["webhook_configs"] = [{"url": settings.webhook, "send_resolved": True}]
    except FileNotFoundError as error:
        raise NotFound(f"{path}: not there, wanted rules and routes; run from a checkout, or name --files") from error
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise InvalidDocument(f"{path}: no configuration of Alertmanager ({error!r})") from error
    return dict(document)


class Monitors:
    """Both programs of one installation, with all they write below `directory`. Raises NotFound where one is missing.

    One thread calls this, the main one: its end is the end of both.
    """

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory, self.settings = directory, settings
        self._prometheus, self._alertmanager = _program("prometheus"), _program("alertmanager")
        logs = directory / "logs"
        self.children = (
            Child("prometheus", self._prometheus_command, logs=logs),
            Child("alertmanager", self._alertmanager_command, logs=logs),
        )

    @property
    def urls(self) -> tuple[str, str]:
        """Prometheus's and Alertmanager's pages."""
        return f"http://{LOOPBACK}:{self.settings.prometheus}", f"http://{LOOPBACK}:{self.settings.alertmanager}"

    def start(self, now: datetime) -> None:
        """Write what they read, and start both."""
        durable.make_directory(self.directory)
        for name, document in (
            ("prometheus.json", prometheus_configuration(self.settings, self.directory)),
            ("alertmanager.json", alertmanager_configuration(self.settings)),
        ):
            durable.replace(self.directory / name, _text(document))  # JSON is YAML
        self.step(None, now)

    def step(self, state: LocalState | None, now: datetime) -> None:
        """Say what there is to scrape, and start again what ended. Without a state the targets stay what they were."""
        path = self.directory / "targets.json"
        content = _text(targets(state)) if state else b"[]\n"
        if not path.exists() or (state and path.read_bytes() != content):
            durable.replace(path, content)
        for child in self.children:
            child.step(now)

    def stop(self, now: datetime) -> None:
        """End both."""
        for child in self.children:
            child.terminate(now)
        for child in self.children:
            if not child.wait(timeout=10):
                child.kill()
                child.wait(timeout=10)

    def _prometheus_command(self) -> Sequence[str]:
        return [
            self._prometheus,
            f"--config.file={self.directory / 'prometheus.json'}",
            f"--storage.tsdb.path={self.directory / 'prometheus'}",
            f"--web.listen-address={LOOPBACK}:{self.settings.prometheus}",
            f"--query.lookback-delta={self.settings.lookback}",
        ]

    def _alertmanager_command(self) -> Sequence[str]:
        return [
            self._alertmanager,
            f"--config.file={self.directory / 'alertmanager.json'}",
            f"--storage.path={self.directory / 'alertmanager'}",
            f"--web.listen-address={LOOPBACK}:{self.settings.alertmanager}",
            "--cluster.listen-address=",
        ]


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(f"prometheus-{name}")
    if found is None:
        raise NotFound(
            f"{name}: not installed, wanted for monitoring on this machine; on Debian and Ubuntu "
            "`apt-get install --no-install-recommends prometheus prometheus-alertmanager`"
        )
    return found


def _text(document: object) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"
