"""Pause, resume and abort of a rollout under live traffic, and steps that have no weight."""

import http.client

import pytest

from registry.store.filing import file_request


@pytest.fixture
def control(served):
    """Ask for an action and wait for its answer."""

    def asked(action: str) -> None:
        request = {"id": f"{action}-{len(served.entries())}", "action": action, "version": None, "to": "", "reason": ""}
        file_request(served.home.journal_of("shapes"), request, by="bob", now=served.now())
        served.until(lambda: any(entry.data.get("request") == request["id"] for entry in served.entries()))

    return asked


def pinned(served, revision: str) -> tuple[int, str]:
    """Status and revision of an answer on the test route."""
    connection = http.client.HTTPConnection("127.0.0.1", served.ports.pinned, timeout=20)
    try:
        connection.request("POST", "/v1/models/shapes:predict", body=b"image", headers={"x-revision": revision})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["x-revision"]
    finally:
        connection.close()


def test_an_abort_takes_the_weight_first_and_no_request_is_lost(served, traffic, control):
    (served.home.store / "models/shapes/2.json").write_text('{"seconds": 0.1}')
    served.second()
    served.until(lambda: served.weights() == {"1": 50, "2": 50})
    with traffic:
        control("abort")
        served.until(lambda: served.weights() == {"1": 100} and "2" not in served.view()["revisions"])
    assert set(traffic.answered) == {200}
    assert served.last("aborted").actor == "bob"
    assert served.state().production == "1"


def test_a_paused_rollout_keeps_its_weights_until_it_is_resumed(served, traffic, control):
    served.second()
    served.until(lambda: served.weights() == {"1": 50, "2": 50})
    control("pause")
    with traffic:
        served.until(lambda: served.state().rollout.verdict == ("hold", "paused"))
        assert served.weights() == {"1": 50, "2": 50}
        control("resume")
        served.until(lambda: served.state().production == "2" and served.weights() == {"2": 100})
    assert set(traffic.answered) == {200}


def test_header_only_and_mirror_come_before_the_first_weight(served, traffic):
    policy = served.home.policy.read_text()
    steps = "[{header: only, soak: 2}, {mirror: 100, soak: 8}, {weight: 50, soak: 1}]"
    served.home.policy.write_text(policy.replace("[{weight: 50, soak: 1}]", steps))
    served.second()
    served.until(lambda: served.state().rollout is not None and served.state().rollout.step == 0)
    assert pinned(served, "v2") == (200, "v2")
    with traffic:
        served.until(lambda: served.state().rollout.step == 1)
        assert served.weights() == {"1": 100}
        served.until(lambda: served.state().production == "2" and served.weights() == {"2": 100})
    assert set(traffic.answered) == {200}
    stepped = [entry.data for entry in served.entries() if entry.kind == "stepped"]
    assert [(data["weight"], data.get("mirror")) for data in stepped] == [(0, None), (0, 100), (50, None)]
