"""`geometry check`: the checklist, with nothing asked for."""

import json

import pytest
import yaml

from tests.fixtures.versions import publish_tiny


@pytest.fixture
def production(home, geometry, deciding):
    """Version 1 in production, version 2 like it, version 3 much worse."""
    publish_tiny(home.root)
    publish_tiny(home.root, flip=True)
    publish_tiny(home.root, accuracy=0.5)
    with deciding(home):
        geometry("promote", "1", "--to", "production", "--yes", "--wait")
    return home


def test_it_says_what_holds_and_records_nothing(production, geometry):
    before = production.journal_of("shapes").read()
    ran = geometry("check", "2")
    assert (ran.code, ran.told) == (0, "")
    assert ran.output.splitlines()[0].split() == ["CHECK", "OUTCOME", "REQUIRED", "GOT", "WANT"]
    assert production.journal_of("shapes").read() == before


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_what_would_be_refused_is_exit_3_and_still_data(production, geometry, output, read):
    ran = geometry("check", "3", "--to", "staging", "-o", output)
    found = read(ran.output)
    assert ran.code == 3
    assert ran.told.startswith("geometry: would be refused: accuracy: got 50.0 % − 90.0 %")
    assert {check["check"] for check in found["checks"] if check["outcome"] == "fail"} == {"accuracy", "recall"}
    assert found["refused"].startswith("accuracy: got")


def test_latency_without_a_staging_revision_is_still_to_come(production, geometry):
    found = json.loads(geometry("check", "2", "-o", "json").output)
    assert (found["awaited"], found["refused"]) == (["latency"], None)
    assert json.loads(geometry("check", "2", "--to", "staging", "-o", "json").output)["awaited"] == []


def test_a_wrong_policy_is_a_failure_with_its_line(production, geometry):
    production.policy.write_text("schema: 1\nchecklist:\n- {check: parity, max: 2}\n")
    ran = geometry("check", "2")
    assert (ran.code, ran.output) == (1, "")
    assert "policy.yaml: line 3: checklist[0]: max is 2, wanted a difference of probabilities" in ran.told


@pytest.mark.parametrize("arguments", [("9",), ("1",)])
def test_an_unknown_version_or_one_that_is_there_already_would_be_refused(production, geometry, arguments):
    assert geometry("check", *arguments).code == 3


def test_a_stage_that_there_is_not_is_usage(home, geometry):
    assert geometry("check", "1", "--to", "archived").code == 2
