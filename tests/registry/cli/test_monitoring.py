"""`geometry local monitoring`, as far as it goes without an installation that runs."""

import pytest

from registry.adapters.local import monitors
from registry.cli import monitoring
from registry.cli.app import UNREACHABLE


def test_without_an_installation_it_says_how_to_start_one(geometry):
    ran = geometry("local", "monitoring")
    assert ran.code == UNREACHABLE
    assert "start it with `geometry local up`" in ran.told


def test_without_prometheus_it_names_the_packages(geometry, monkeypatch):
    monkeypatch.setattr(monitoring, "runs_here", lambda _: True)
    monkeypatch.setattr(monitors.shutil, "which", lambda _: None)
    ran = geometry("local", "monitoring")
    assert ran.code == 1
    assert "apt-get install --no-install-recommends prometheus prometheus-alertmanager" in ran.told


def test_a_folder_without_rules_is_named_before_anything_starts(geometry, monkeypatch, tmp_path):
    monkeypatch.setattr(monitoring, "runs_here", lambda _: True)
    monkeypatch.setattr(monitors.shutil, "which", lambda _: "true")
    ran = geometry("local", "monitoring", "--files", str(tmp_path))
    assert ran.code == 1
    assert "wanted rules and routes" in ran.told


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_a_program_that_ends_again_and_again_is_told_with_its_last_words(geometry, monkeypatch, tmp_path, name):
    program = tmp_path / name
    program.write_text("#!/bin/sh\necho bind: address already in use\n")
    program.chmod(0o755)
    monkeypatch.setattr(monitoring, "runs_here", lambda _: True)
    monkeypatch.setattr(monitoring, "PACE", 0.05)
    monkeypatch.setattr(monitors.shutil, "which", lambda _: str(program))
    ran = geometry("local", "monitoring", "--port", "0", "--alertmanager-port", "0")
    assert ran.code == UNREACHABLE
    assert "does not start" in ran.told
    assert "address already in use" in ran.told
