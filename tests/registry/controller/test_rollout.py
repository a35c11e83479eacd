"""Promotions from the request to the last weight, under live traffic."""

import json
import os
import signal

import pytest


def test_a_healthy_canary_is_promoted_without_a_failed_request(served, traffic):
    with traffic:
        served.second()
        served.until(lambda: served.state().production == "2" and served.weights() == {"2": 100})
    assert set(traffic.answered) == {200}
    assert [kind for kind in served.kinds() if kind in ("started", "stepped", "promoted")][2:] == [
        "started",
        "stepped",
        "promoted",
    ]
    assert served.last("promoted").data["numbers"]["canary"]["errors"] == 0


def test_a_canary_that_fails_goes_back_with_its_numbers(served, traffic):
    (served.home.store / "models/shapes/2.json").write_text(json.dumps({"status": 500}))
    with traffic:
        served.second()
        served.until(lambda: "rolled_back" in served.kinds() and served.weights() == {"1": 100})
    numbers = served.last("rolled_back").data["numbers"]
    assert numbers["canary"]["errors"] == numbers["canary"]["answers"] > 0
    assert numbers["e"] >= numbers["rollbackAt"]
    assert served.state().production == "1"


def test_a_canary_that_is_slow_goes_back(served, traffic):
    (served.home.store / "models/shapes/2.json").write_text(json.dumps({"seconds": 0.15}))
    with traffic:
        served.second()
        served.until(lambda: "rolled_back" in served.kinds() and served.weights() == {"1": 100})
    assert served.last("rolled_back").data["numbers"]["signal"] == "latency"


def test_a_killed_canary_loses_its_weight_and_gets_it_back(served):
    served.second()
    served.until(lambda: served.weights() == {"1": 50, "2": 50})
    os.kill(served.child("2").pid, signal.SIGKILL)
    served.until(lambda: served.weights() == {"1": 100})
    assert served.ask()[0] == 200
    served.until(lambda: served.weights() == {"1": 50, "2": 50})
    assert served.kinds()[-4:].count("withheld") + served.kinds()[-4:].count("stepped") >= 2
    assert served.state().production == "1"


@pytest.mark.parametrize(
    ("behaviour", "reason"), [({"digest": "f" * 64}, "serves digest ffffffffffff"), ({"exit": 3}, "crash loop")]
)
def test_a_canary_that_cannot_serve_what_was_recorded_ends(served, behaviour, reason):
    (served.home.store / "models/shapes/2.json").write_text(json.dumps(behaviour))
    served.second()
    served.until(lambda: served.state().rollout is not None)
    served.until(lambda: served.state().rollout is None)
    assert reason in served.last("rolled_back").data["reason"]
    assert served.weights() == {"1": 100}
    assert "stepped" not in served.kinds()


def test_a_canary_that_never_gets_ready_is_withdrawn_at_the_deadline(served):
    (served.home.store / "models/shapes/2.json").write_text(json.dumps({"ready": False}))
    served.home.policy.write_text(served.home.policy.read_text() + "  deadline: 4\n")
    served.second()
    served.until(lambda: "expired" in served.kinds())
    assert served.last("expired").data["reason"] == "undecided after 4 s; the canary has no ready endpoint"
    assert served.weights() == {"1": 100}


def test_a_badly_trained_version_is_refused_with_its_numbers(served):
    served.second(accuracy=0.5)
    served.until(lambda: "refused" in served.kinds())
    assert "accuracy: got 50.0 % − 90.0 % = −40.0 points" in served.last("refused").data["reason"]
    assert served.state().rollout is None


def test_a_killed_stable_revision_comes_back(served):
    os.kill(served.child("1").pid, signal.SIGKILL)
    served.until(lambda: served.ask()[0] == 503)
    served.until(lambda: served.ask()[0] == 200)
    assert served.weights() == {"1": 100}


def test_a_second_controller_goes_on_with_the_rollout_of_the_first(served, traffic):
    served.second()
    served.until(lambda: served.weights() == {"1": 50, "2": 50})
    served.restart()
    with traffic:
        served.until(lambda: served.state().production == "2" and served.weights() == {"2": 100})
    assert served.kinds().count("started") == 2
