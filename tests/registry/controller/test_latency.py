"""The staging revision of a promotion, started, asked over HTTP and held against the SLO."""

import json

import pytest

from tests.registry.domain.builders import V2


@pytest.fixture
def measuring(served):
    """Version 1 in production, and from now on a promotion waits for the latency of a few requests."""
    policy = served.home.policy.read_text().replace("required: false", "requests: 10")
    served.home.policy.write_text(policy)
    return served


def test_a_promotion_goes_to_staging_is_measured_there_and_begins(measuring):
    measuring.second()
    measuring.until(lambda: measuring.state().rollout is not None)
    started = measuring.last("started").data
    assert started["checks"][-1]["check"] == "latency"
    assert started["checks"][-1]["outcome"] == "pass"
    assert "of 10 requests, 0 failed" in started["checks"][-1]["got"]
    assert measuring.kinds()[-4:-1].count("staged") == 1
    measuring.until(lambda: measuring.weights() == {"1": 50, "2": 50})


def test_a_version_that_answers_too_slowly_is_refused_and_production_goes_on(measuring):
    (measuring.home.store / "models/shapes/2.json").write_text(json.dumps({"seconds": 0.15}))
    measuring.second()
    measuring.until(lambda: "refused" in measuring.kinds())
    assert "latency: got p99 " in measuring.last("refused").data["reason"]
    assert "wanted 99 % of 10 requests within 100 ms" in measuring.last("refused").data["reason"]
    assert (measuring.state().production, measuring.state().staging) == ("1", V2)
    assert measuring.weights() == {"1": 100}


def test_turns_go_on_while_it_is_measured(measuring):
    (measuring.home.store / "models/shapes/2.json").write_text(json.dumps({"seconds": 0.3}))
    measuring.second()
    measuring.until(lambda: measuring.controller.substrate.staging("shapes"))
    turns = 0

    def turned() -> bool:
        nonlocal turns
        turns += 1
        return "refused" in measuring.kinds()

    measuring.until(turned)
    assert turns > 10
