"""Commands that control a rollout or speak for a version, and how what they did is shown."""

import json

import pytest

from tests.fixtures.versions import publish_tiny


@pytest.fixture
def rolling(home, geometry, deciding):
    """Version 2 at its first step beside version 1."""
    publish_tiny(home.root)
    publish_tiny(home.root, flip=True)
    with deciding(home):
        geometry("promote", "1", "--to", "production", "--yes", "--wait")
        geometry("promote", "2", "--to", "production", "--yes", "--force", "--reason", "the old one leaks")
        yield home


def rollout(geometry):
    return json.loads(geometry("status", "-o", "json").output)["rollout"]


def test_pause_resume_and_abort_are_told_and_recorded(rolling, geometry):
    assert geometry("pause", "--reason", "lunch").told == "accepted: paused 2 (lunch)\n"
    assert rollout(geometry)["paused"]
    assert "paused since" in geometry("status").output
    assert geometry("resume").code == 0
    assert rollout(geometry)["paused"] is None
    assert geometry("abort", "--yes").told == "accepted: aborted 2 (asked for)\n"
    assert rollout(geometry) is None


def test_what_is_not_there_cannot_be_paused(rolling, geometry):
    geometry("abort", "--yes")
    ran = geometry("pause")
    assert (ran.code, ran.output) == (3, "")
    assert "no rollout is in progress" in ran.told


def test_force_is_never_silent(rolling, geometry):
    assert "version 2 was FORCED past latency" in geometry("status").output
    history = geometry("history").output
    assert "staged 2 (on the way to production; FORCED past latency: the old one leaks)" in history
    assert "requested: promote 2 to production, forced (the old one leaks)" in history


def test_an_approval_in_another_name_keeps_the_login_beside_it(rolling, geometry):
    assert geometry("approve", "2", "--as", "bob", "--reason", "looked at it").code == 0
    requested, approved = rolling.journal_of("shapes").read()[-2:]
    assert (requested.actor, requested.data["authenticated"]) == ("bob", False)
    assert requested.data["login"] not in ("", "bob")
    assert (approved.actor, approved.data["by"], approved.data["authenticated"]) == ("bob", "bob", False)
    assert "bob          approved 2 (digest" in geometry("history").output


def test_too_few_approvals_are_refused_and_enough_let_it_go(rolling, geometry):
    geometry("abort", "--yes")
    rolling.policy.write_text("approvals: {required: 1}\n")
    ran = geometry("promote", "2", "--to", "production", "--yes", "--as", "ann")
    assert ran.code == 3
    assert "got 0 of 1 (nobody), 1 missing" in ran.told
    geometry("approve", "2", "--as", "bob")
    assert geometry("promote", "2", "--to", "production", "--yes", "--as", "bob").code == 3
    assert geometry("promote", "2", "--to", "production", "--yes", "--as", "ann").code == 0


@pytest.mark.parametrize("command", [("pause",), ("resume",), ("abort", "--yes"), ("approve", "1")])
def test_without_a_controller_nothing_is_controlled(home, geometry, command):
    ran = geometry(*command)
    assert (ran.code, ran.output) == (5, "")
    assert "geometry local up" in ran.told
