"""Prometheus and Alertmanager beside a local installation: what they are given to read."""

import dataclasses
import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
import yaml

from registry.adapters.local import monitors
from registry.adapters.local.monitors import (
    Monitors,
    Settings,
    alertmanager_configuration,
    prometheus_configuration,
    targets,
)
from registry.adapters.local.state import LocalState, RevisionState
from registry.domain.errors import InvalidDocument, NotFound

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REVISION = RevisionState("shapes", "1.0.0", "v1-0-0", False, "d", 7, 20001, 20002, True, 0, "log")
STATE = LocalState(1, "", "", "", (REVISION,), 9, "http://127.0.0.1:20009/metrics")
ROUTES = {"route": {"receiver": "pages"}, "receivers": [{"name": "pages"}]}


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump(ROUTES))
    return Settings(files=tmp_path, prometheus=9090, alertmanager=9093)


def test_a_revision_is_a_target_with_the_labels_of_a_cluster():
    assert targets(STATE)[0] == {
        "targets": ["127.0.0.1:20001"],
        "labels": {
            "namespace": "local",
            "job": "ml-geometry-predictor",
            "service": "shapes",
            "revision": "v1-0-0",
            "pod": "shapes-v1-0-0",
        },
    }


def test_the_controller_is_a_target_of_its_own_job():
    assert targets(STATE)[1]["targets"] == ["127.0.0.1:20009"]
    assert targets(STATE)[1]["labels"]["job"] == "ml-geometry-controller"


def test_staging_is_a_service_of_its_own():
    staging = dataclasses.replace(STATE, revisions=(dataclasses.replace(REVISION, staging=True),))
    assert targets(staging)[0]["labels"]["service"] == "shapes-staging"


def test_a_revision_that_has_no_port_yet_is_no_target():
    starting = dataclasses.replace(STATE, revisions=(dataclasses.replace(REVISION, http=0),), metrics="")
    assert targets(starting) == []


def test_a_dead_controller_leaves_the_targets_as_they_were(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(monitors.shutil, "which", lambda _: "true")
    made = Monitors(tmp_path / "monitoring", settings)
    made.directory.mkdir()
    made.children = ()
    made.step(STATE, NOW)
    made.step(None, NOW)
    assert json.loads((made.directory / "targets.json").read_text()) == targets(STATE)


def test_a_webhook_is_told_by_every_receiver(settings):
    with_webhook = dataclasses.replace(settings, webhook="http://127.0.0.1:1/")
    assert alertmanager_configuration(with_webhook)["receivers"] == [
        {"name": "pages", "webhook_configs": [{"url": "http://127.0.0.1:1/", "send_resolved": True}]}
    ]
    assert alertmanager_configuration(settings) == ROUTES


def test_a_folder_without_routes_is_named(settings, tmp_path):
    with pytest.raises(NotFound, match="run from a checkout"):
        alertmanager_configuration(dataclasses.replace(settings, files=tmp_path / "nowhere"))


def test_routes_that_are_none_are_refused(settings):
    (settings.files / "alertmanager.yaml").write_text("[]")
    with pytest.raises(InvalidDocument, match="no configuration of Alertmanager"):
        alertmanager_configuration(dataclasses.replace(settings, webhook="http://127.0.0.1:1/"))


def test_a_missing_program_is_named_with_its_package(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(monitors.shutil, "which", lambda _: None)
    with pytest.raises(NotFound, match=r"prometheus: not installed.*apt-get install"):
        Monitors(tmp_path, settings)


def test_prometheus_takes_its_configuration(settings, tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: nothing was checked (`apt-get install prometheus`)")
    (tmp_path / "targets.json").write_text(json.dumps(targets(STATE)))
    path = tmp_path / "prometheus.json"
    path.write_text(json.dumps(prometheus_configuration(settings, tmp_path)))
    checked = subprocess.run([promtool, "check", "config", path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
