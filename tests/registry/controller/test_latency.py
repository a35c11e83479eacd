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
    asked = measuring.kinds()[measuring.last("requested").sequence :]
    assert asked[: asked.index("started")].count("staged") == 1
    measuring.until(lambda: measuring.weights() == {"1": 50, "2": 50})


def test_a_version_that_answers_too_slowly_is_refused_and_turns_go_on_meanwhile(measuring):
    (measuring.home.store / "models/shapes/2.json").write_text(json.dumps({"seconds": 0.15}))
    measuring.second()
    turns = 0

    def refused() -> bool:
        nonlocal turns
        turns += measuring.controller.substrate.staging("shapes") is not None
        return "refused" in measuring.kinds()

    measuring.until(refused)
    assert turns > 5, "no turn went on while it was measured"
    assert "latency: got p99 " in measuring.last("refused").data["reason"]
    assert "wanted 99 % of 10 requests within 100 ms" in measuring.last("refused").data["reason"]
    assert (measuring.state().production, measuring.state().staging) == ("1", V2)
    assert measuring.weights() == {"1": 100}
