"""Commands that look back, keep, move and remove: what they print, record, and end with."""

import json

import pytest
import yaml

from registry.cli.options import now
from registry.domain.documents import timestamp
from registry.store.filing import file_request
from tests.fixtures.versions import publish_tiny


@pytest.fixture
def served(home, deciding):
    """Version 1 in production, version 2 published."""
    publish_tiny(home.root)
    publish_tiny(home.root)
    controller = deciding(home)
    controller.turn()
    request = {"id": "1", "action": "promote", "version": "1", "to": "production", "reason": "the first"}
    file_request(home.journal_of("shapes"), request, by="ann", now=now())
    while home.journal_of("shapes").read()[-1].kind != "promoted":
        controller.turn()
    return home


def test_history_at_a_moment_says_who_served_and_who_asked(served, geometry):
    promoted = next(entry for entry in served.journal_of("shapes").read() if entry.kind == "promoted")
    found = json.loads(geometry("history", "--at", timestamp(promoted.time), "-o", "json").output)
    assert (found["production"]["version"], found["production"]["askedReason"]) == ("1", "the first")
    assert (found["weights"], found["journal"]["sequence"]) == ({"1": 100}, promoted.sequence)
    assert "asked for by: " in geometry("history", "--at", timestamp(promoted.time)).output


def test_history_at_hours_ago_is_before_everything(served, geometry):
    ran = geometry("history", "--at", "-2h", "-o", "yaml")
    assert (ran.code, yaml.safe_load(ran.output)["production"]) == (0, None)
    assert "production: none" in geometry("history", "--at", "-2h").output


@pytest.mark.parametrize("time", ["yesterday", "2026-03-01T09:30:00", "-2 hours", "2h"])
def test_a_time_that_cannot_be_meant_is_usage(served, geometry, time):
    assert geometry("history", "--at", time).code == 2


def test_history_can_be_limited(served, geometry):
    found = json.loads(geometry("history", "--limit", "2", "-o", "json").output)
    assert [entry["sequence"] for entry in found] == [
        entry.sequence for entry in served.journal_of("shapes").read()[-2:]
    ]


def test_a_version_is_archived_deleted_and_remembered(served, geometry, deciding):
    with deciding(served):
        early = geometry("models", "delete", "2", "--reason", "useless", "--yes")
        assert (early.code, "only archived versions" in early.told) == (3, True)
        assert geometry("models", "archive", "2", "--reason", "worse").code == 0
        assert geometry("models", "delete", "2", "--reason", "useless", "--yes").code == 0
        again = geometry("models", "delete", "2", "--reason", "useless", "--yes")
    assert (again.code, "was deleted already" in again.told) == (0, True)
    assert "deleted 2 (useless)" in geometry("history").output
    assert json.loads(geometry("models", "list", "-o", "json").output)[1]["stage"] == "deleted"
    assert geometry("models", "get", "2").code == 1


def test_production_is_not_archived(served, geometry, deciding):
    with deciding(served):
        ran = geometry("models", "archive", "1", "--reason", "x")
    assert (ran.code, "is in production" in ran.told) == (3, True)


def test_prune_shows_first_and_deletes_when_told_to(served, geometry, deciding):
    shown = geometry("models", "prune", "--older-than", "0", "-o", "json")
    assert ([row["version"] for row in json.loads(shown.output)], "--yes" in shown.told) == (["2"], True)
    assert json.loads(geometry("models", "prune", "-o", "json").output) == []
    with deciding(served):
        assert geometry("models", "prune", "--older-than", "0", "--yes", "--dry-run").code == 0
        assert geometry("models", "get", "2").code == 0
        assert geometry("models", "prune", "--older-than", "0", "--yes").code == 0
    assert sorted(path.name for path in (served.store / "models/shapes/2").iterdir()) == [
        "manifest.json",
        "manifest.sig",
    ]
    assert geometry("models", "get", "1").code == 0


@pytest.mark.parametrize("command", [
    ("archive", "2", "--reason", "x"), ("delete", "2", "--reason", "x", "--yes"),
    ("prune", "--older-than", "0", "--yes"),
])  # fmt: skip
def test_only_a_controller_removes(served, geometry, command):
    assert geometry("models", *command).code == 5


def test_a_version_goes_to_another_installation(served, geometry, deciding, tmp_path, monkeypatch):
    digest = geometry("models", "export", "1", "--to", str(tmp_path / "one.tar")).output
    monkeypatch.setenv("GEOMETRY_HOME", str(tmp_path / "other"))
    other = type(served)(tmp_path / "other")
    assert geometry("keys", "init").code == 0
    untrusted = geometry("models", "import", str(tmp_path / "one.tar"))
    assert (untrusted.code, "not trusted" in untrusted.told) == (1, True)
    assert "trusted now" in geometry("keys", "trust", str(served.keys / "trust.json")).told
    assert geometry("models", "import", str(tmp_path / "one.tar")).output == digest
    with deciding(other):
        assert geometry("promote", "1", "--to", "production", "--yes", "--wait").code == 0
    assert "is known already" in geometry("models", "import", str(tmp_path / "one.tar")).told


def test_backup_and_restore(served, geometry, tmp_path):
    assert geometry("backup").code == 2
    made = json.loads(geometry("backup", "--to", str(tmp_path / "b"), "-o", "json").output)
    assert made["versions"] == {"shapes": 2}
    ran = geometry("restore", made["backup"], "--home", str(tmp_path / "other"), "--reason", "a new disk")
    assert ran.code == 0, ran.told
    assert "restored (a new disk)" in geometry("history", "--home", str(tmp_path / "other")).output
    assert (geometry("restore", made["backup"]).code, geometry("restore", str(tmp_path)).code) == (3, 1)


def test_the_policy_says_where_backups_go(served, geometry):
    served.policy.write_text("backup: {to: copies}")
    assert geometry("backup").code == 0
    assert len(list((served.root / "copies").glob("*/backup.json"))) == 1


def test_doctor_ends_with_what_it_found(served, geometry):
    fine = geometry("doctor", "-o", "json")
    assert (fine.code, {row["result"] for row in json.loads(fine.output)}) == (0, {"ok"})
    (served.journal / "shapes" / "000001.json").write_text("{")
    ran = geometry("doctor")
    assert (ran.code, "000001.json" in ran.output, "1 of" in ran.told) == (1, True, True)


def test_doctor_names_anchors_that_cannot_be_read(served, geometry):
    (served.run / "envoy").mkdir()
    (served.run / "envoy" / "anchor.json").write_text("{")
    assert "anchor.json: not readable" in geometry("doctor").output
