"""A version goes in and out under live traffic: no request fails, no pod that should survive restarts."""

import pytest

from tests.cluster.installation import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

RATE = 200.0
"""Requests a second: a step then needs well under a minute of clean answers."""


@pytest.fixture(scope="module")
def story(installation, candidate):
    """Train, promote, roll back, promote again and abort under traffic; what was seen at each point."""
    ((stable, share),) = installation.weights().items()
    assert share == 100
    survivors = installation.pods(stable)
    version, canary = candidate, f"v{candidate.replace('.', '-')}"
    seen = {"stable": stable, "canary": canary, "survivors": survivors}
    with installation.traffic(rate=RATE) as tally:
        promoted = installation.ask("promote", version=version, to="production")
        installation.steps(promoted, 10)
        seen["promoted"] = installation.wait(promoted, "condition=Complete")["status"]
        until(lambda: installation.weights() == {canary: 100}, "the canary has all requests")
        seen["in production"] = installation.weights()
        back = installation.ask("rollback", reason="a test")
        seen["rolled back"] = installation.wait(back, "condition=Complete")["status"]
        until(lambda: installation.weights() == {stable: 100}, "the old version has all requests")
        seen["after rollback"] = installation.weights()
        again = installation.ask("promote", version=version, to="production")
        installation.steps(again, 10)
        installation.control(again, "abort")
        seen["aborted"] = installation.wait(again, "condition=Complete")["status"]
        seen["after abort"] = installation.weights()
        seen["survived"] = installation.pods(stable)
    return {**seen, "tally": tally}


def test_no_request_failed(story):
    assert story["tally"].failures == []


def test_there_was_traffic_for_both_versions(story):
    answers = story["tally"].answers
    assert len(answers) == 2
    assert min(answers.values()) > 500


def test_no_pod_of_the_old_version_restarted_or_was_replaced(story):
    assert story["survivors"]
    assert set(story["survivors"]) <= set(story["survived"])
    assert set(story["survived"].values()) == {0}


def test_the_new_version_went_to_production_by_evidence(story):
    assert story["promoted"]["phase"] in ("Guarding", "Succeeded")
    assert story["promoted"]["verdict"]["kind"] == "promote"
    assert story["in production"] == {story["canary"]: 100}


def test_a_rollback_gave_the_traffic_back(story):
    assert story["rolled back"]["phase"] == "Succeeded"
    assert story["after rollback"] == {story["stable"]: 100}


def test_an_abort_gave_the_traffic_back(story):
    assert story["aborted"]["phase"] == "Aborted"
    assert story["after abort"] == {story["stable"]: 100}
