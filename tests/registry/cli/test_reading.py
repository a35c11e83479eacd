"""Commands that read: on nothing, on something, and on what is damaged."""

import json

import pytest
import yaml

from tests.fixtures.versions import publish_tiny


@pytest.fixture
def published(home, deciding):
    """Version 1 in the journal."""
    publish_tiny(home.root)
    with deciding(home):
        pass
    return home


@pytest.mark.parametrize("command", [("status",), ("history",), ("models", "list")])
@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_an_empty_home_is_no_error(home, geometry, command, output):
    ran = geometry(*command, "-o", output)
    assert (ran.code, ran.told) == (0, "")
    assert not home.root.exists()
    if output != "table":
        assert yaml.safe_load(ran.output) is not None


def test_status_as_json_names_production_and_journal(published, geometry):
    status = json.loads(geometry("status", "-o", "json").output)
    assert (status["model"], status["production"], status["journal"]["sequence"]) == ("shapes", None, 1)


def test_models_get_shows_what_was_signed(published, geometry):
    ran = geometry("models", "get", "1", "-o", "json")
    found = json.loads(ran.output)
    assert (ran.code, found["version"], found["stage"], found["accuracy"]) == (0, "1", "development", 0.9)


def test_models_list_shows_what_waits_to_be_published(home, geometry):
    publish_tiny(home.root)
    assert "not yet published" in geometry("models", "list").output


@pytest.mark.parametrize("command", [("status",), ("history",), ("models", "list"), ("models", "get", "1")])
def test_a_damaged_journal_is_nothing_to_act_upon_and_the_entry_is_named(published, geometry, command):
    (published.journal / "shapes" / "000001.json").write_text("{")
    ran = geometry(*command)
    assert (ran.code, ran.output) == (5, "")
    assert "000001.json" in ran.told


def test_a_tampered_file_is_named(published, geometry):
    file = published.store / "models/shapes/1/model.tflite"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    ran = geometry("models", "get", "1")
    assert (ran.code, ran.output) == (1, "")
    assert f"{file}: found sha256" in ran.told


def test_an_unknown_version_is_a_failure_that_names_those_there_are(published, geometry):
    ran = geometry("models", "get", "7")
    assert ran.code == 1
    assert "no such version in the store; there are 1" in ran.told


@pytest.mark.parametrize(
    "arguments",
    [("models", "get", "seven"), ("status", "-m", "No Model"), ("status", "-o", "xml"), ("frobnicate",), ("promote",)],
)
def test_what_cannot_be_meant_is_usage(home, geometry, arguments):
    assert geometry(*arguments).code == 2


def test_history_tells_who_did_what(published, geometry):
    assert "controller   published 1 (digest" in geometry("history").output


def test_status_shows_nothing_that_an_ended_controller_saw(home, geometry, deciding):
    publish_tiny(home.root)
    with deciding(home):
        geometry("promote", "1", "--to", "production", "--yes", "--wait")
        assert json.loads(geometry("status", "-o", "json").output)["seen"]["weights"] == {"1": 100}
    ran = geometry("status", "-o", "json")
    found = json.loads(ran.output)
    assert (ran.code, found["production"], found["seen"]) == (0, "1", {})
    assert "geometry local up" in ran.told
