"""Releases as processes behind a real Envoy."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path

import pytest

from registry.adapters.local.state import read_state
from registry.domain.errors import InvalidDocument
from registry.domain.journal import Anchor

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_first_version_answers_with_its_name_and_as_live_traffic(stack, release, post):
    stack.reach(release(("3", 100)))
    status, headers, document = post(
        stack.ports.public, headers={"x-request-id": "mine", "x-revision": "v9", "x-traffic": "x"}
    )
    assert (status, headers["x-revision"], headers["x-request-id"]) == (200, "v3", "mine")
    assert (document["version"], document["headers"]["x-traffic"]) == ("3", "live")
    assert "x-revision" not in document["headers"]


def test_a_tenth_is_a_tenth(stack, release, split):
    stack.reach(release(("3", 90), ("4", 10)))
    found = split(stack.ports.public, 2000)
    assert abs(found["v4"] - 200) < 5 * sqrt(2000 * 0.1 * 0.9)


def test_weights_change_under_load_without_a_failed_request(stack, release, load):
    stack.reach(release(("3", 100), ("4", 0)))
    with load(stack.ports.public) as requests:
        for weight in (10, 50, 90, 100, 30, 0):
            stack.reach(release(("3", 100 - weight), ("4", weight)))
    assert requests.failed == []
    assert requests.answered > 100


def test_a_rollout_and_its_end_lose_no_request(stack, release, load):
    stack.reach(release(("3", 100)))
    with load(stack.ports.public) as requests:
        for weights in ([("3", 50), ("4", 50)], [("3", 0), ("4", 100)], [("4", 100), ("3", 0)], [("4", 100)]):
            stack.reach(release(*weights))
        stack.turns_until(release(("4", 100)), lambda: set(stack.pids()) == {"4"})
    assert requests.failed == []
    assert requests.answered > 100


def test_a_slow_request_is_answered_before_its_revision_ends(stack, release, load):
    stack.behave("4", seconds=0.3)
    stack.reach(release(("3", 50), ("4", 50)))
    with load(stack.ports.public, 4) as requests:
        stack.reach(release(("3", 100)))
        stack.turns_until(release(("3", 100)), lambda: set(stack.pids()) == {"3"})
    assert requests.failed == []


def test_a_canary_that_is_not_ready_gets_no_weight(stack, release):
    stack.behave("4", ready=False)
    stack.reach(release(("3", 100)))
    wanted = release(("3", 90), ("4", 10), sequence=2)
    stack.turns_until(wanted, lambda: stack.seen.get("4") and "4" in stack.pids())
    for _ in range(20):
        stack.turn(wanted)
    assert stack.route.weights == {"3": 100}
    assert stack.route.anchor == release(sequence=1).anchor
    assert stack.seen["4"].unready_since is not None


def test_a_canary_with_another_digest_gets_no_weight(stack, release):
    stack.behave("4", digest="f" * 64)
    stack.reach(release(("3", 100)))
    wanted = release(("3", 90), ("4", 10))
    stack.turns_until(wanted, lambda: stack.seen.get("4") and stack.seen["4"].ready)
    stack.turn(wanted)
    stack.turn(wanted)
    assert stack.seen["4"].digest == "f" * 64
    assert stack.route.weights == {"3": 100}


def test_weight_leaves_an_unready_canary_at_once(stack, release):
    stack.reach(release(("3", 50), ("4", 50)))
    stack.behave("4", exit=3)
    os.kill(stack.pids()["4"], signal.SIGKILL)
    stack.reach(release(("3", 100), ("4", 0)))
    assert stack.route.weights == {"3": 100, "4": 0}


def test_a_crash_counts_as_a_restart_and_the_revision_comes_back(stack, release, post):
    stack.reach(release(("3", 100)))
    os.kill(stack.pids()["3"], signal.SIGKILL)
    stack.turns_until(release(("3", 100)), lambda: stack.seen["3"].restarts == 1 and stack.seen["3"].ready)
    assert post(stack.ports.public)[0] == 200


def test_envoy_comes_back_with_the_route_it_had(stack, release, post):
    wanted = release(("3", 90), ("4", 10))
    stack.reach(wanted)
    killed = stack.substrate.gateway.child.pid
    os.kill(killed, signal.SIGKILL)
    stack.turns_until(wanted, lambda: stack.substrate.gateway.child.pid not in (killed, None) and stack.route)
    assert stack.route.weights == {"3": 90, "4": 10}


def test_the_pinned_port_reaches_each_revision(stack, release, post):
    wanted = release(("3", 100), ("4", 0), staging="5")
    stack.reach(wanted)
    stack.turns_until(wanted, lambda: "5" in stack.seen and stack.seen["5"].ready)
    for version in ("3", "4", "5"):
        status, headers, document = post(stack.ports.pinned, headers={"x-revision": f"v{version}"})
        assert (status, document["version"], headers["x-revision"]) == (200, version, f"v{version}")
        assert document["headers"]["x-traffic"] == "pinned"


def test_live_and_pinned_requests_are_counted_apart(stack, release, post):
    stack.reach(release(("3", 100)))
    post(stack.ports.public)
    post(stack.ports.pinned, headers={"x-revision": "v3"})
    post(stack.ports.pinned, headers={"x-revision": "v3"})
    stats = stack.substrate.gateway.proxy._client.get("/stats", params={"filter": "upstream_rq_completed"}).text
    assert "cluster.live-shapes-v3.upstream_rq_completed: 1" in stats
    assert "cluster.pinned-shapes-v3.upstream_rq_completed: 2" in stats


def counted(stack, version):
    """Live answers that a revision says it gave."""
    url = stack.substrate.endpoints("shapes")[version].url
    metrics = stack.substrate._client.get(f"{url}/metrics").text.splitlines()
    return next(int(line.split()[-1]) for line in metrics if "latency_seconds_count" in line)


def test_a_mirrored_canary_gets_a_copy_of_every_request_and_answers_none(stack, release, post, until):
    stack.reach(release(("3", 100)))
    mirrored = release(("3", 100), ("4", 0), mirror=100)
    stack.turns_until(mirrored, lambda: "live-shapes-v4" in route_text(stack))
    assert {post(stack.ports.public)[1]["x-revision"] for _ in range(20)} == {"v3"}
    until(lambda: counted(stack, "4") == 20)
    assert counted(stack, "3") == 20
    stack.turns_until(release(("3", 100), ("4", 0)), lambda: "request_mirror_policies" not in route_text(stack))
    post(stack.ports.public)
    assert (counted(stack, "3"), counted(stack, "4")) == (21, 20)


def test_a_mirrored_canary_that_fails_or_dies_is_nobodys_failure(stack, release, load):
    stack.behave("4", status=500)
    mirrored = release(("3", 100), ("4", 0), mirror=100)
    stack.turns_until(mirrored, lambda: "request_mirror_policies" in route_text(stack))
    with load(stack.ports.public) as requests:
        stack.turns_until(mirrored, lambda: requests.answered > 50)
        os.kill(stack.pids()["4"], signal.SIGKILL)
        so_far = requests.answered
        stack.turns_until(mirrored, lambda: requests.answered > so_far + 50)
    assert requests.failed == []


def route_text(stack):
    applied = stack.substrate.gateway.applied()
    return json.dumps(applied.live) if applied else ""


def test_another_variant_of_a_staged_version_takes_the_place_of_its_process(stack, release):
    first, second = release(("3", 100), staging="5"), release(("3", 100), staging="5", variant="int8")
    second = replace(second, stable=first.stable)
    stack.turns_until(first, lambda: stack.substrate.staging("shapes"))
    endpoint, stable = stack.substrate.staging("shapes"), stack.pids()["3"]
    stack.turn(second)
    assert stack.substrate.staging("shapes") is None
    stack.turns_until(second, lambda: stack.substrate.staging("shapes"))
    assert stack.substrate.staging("shapes").incarnation != endpoint.incarnation
    assert stack.pids()["3"] == stable


@pytest.mark.parametrize("behaviour", [{"ready": False}, {"digest": "f" * 64}])
def test_a_staging_revision_that_is_not_ready_or_another_is_not_to_be_measured(stack, release, behaviour):
    stack.behave("5", **behaviour)
    wanted = release(("3", 100), staging="5")
    stack.reach(wanted)
    stack.turns_until(wanted, lambda: "5" in stack.pids())
    for _ in range(20):
        stack.turn(wanted)
    assert stack.substrate.staging("shapes") is None


@pytest.mark.parametrize(
    "path", ["/metrics", "/outcomes", "/v2/repository/index", "/v1/models/../../metrics", "//metrics"]
)
def test_what_is_not_public_is_not_reachable(stack, release, post, path):
    stack.reach(release(("3", 100)))
    assert post(stack.ports.public, path)[0] == 404


def test_two_models_are_told_apart_by_path_and_by_host(stack, release, post):
    shapes, digits = release(("3", 100)), release(("1", 100), model="digits")
    stack.reach(shapes)
    stack.reach(digits)
    public = stack.ports.public
    assert post(public, "/v2/models/digits/infer")[2]["model"] == "digits"
    assert post(public, "/predict")[2]["model"] == "shapes"
    assert post(public, "/predict", headers={"host": f"digits.localhost:{public}"})[2]["model"] == "digits"


def test_the_anchor_follows_the_journal_when_weights_do_not_change(stack, release):
    stack.reach(release(("3", 100), sequence=1))
    wanted = release(("3", 100), sequence=2)
    stack.turns_until(wanted, lambda: stack.route.anchor == wanted.anchor)
    assert isinstance(stack.route.anchor, Anchor)


def test_a_model_that_is_not_named_stays_as_it_is(stack, release):
    stack.reach(release(("3", 100)))
    for _ in range(5):
        stack.turn()
    assert stack.route.weights == {"3": 100}
    assert set(stack.pids()) == {"3"}


def test_a_release_that_cannot_be_changes_nothing(stack, release):
    stack.reach(release(("3", 100)))
    with pytest.raises(InvalidDocument):
        stack.turn(release(("3", 60), ("4", 10)))
    stack.turn()
    assert stack.route.weights == {"3": 100}


def test_since_is_when_the_weights_were_first_seen(stack, release):
    stack.reach(release(("3", 100)))
    first = stack.route.since
    stack.turn(release(("3", 100)))
    assert stack.route.since == first
    stack.reach(release(("3", 90), ("4", 10)))
    assert stack.route.since > first


def test_the_state_names_every_process(stack, release):
    stack.reach(release(("3", 100)))
    state = read_state(stack.home)
    assert (state.envoy, state.public) == (stack.substrate.gateway.child.pid, f"http://127.0.0.1:{stack.ports.public}")
    (revision,) = state.revisions
    assert (revision.pid, revision.version, revision.ready) == (stack.pids()["3"], "3", True)
    assert stack.substrate.endpoints("shapes")["3"].url == f"http://127.0.0.1:{revision.http}"


def test_an_unasked_envoy_is_no_route_seen(stack):
    stack.substrate.gateway.child.kill()
    assert stack.substrate.gateway.child.wait(timeout=10)
    assert stack.substrate.observe("shapes", NOW)[1] is None


CONTROLLER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("stacks", sys.argv[1])
stacks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stacks)
stack = stacks.Stack(Path(sys.argv[2]), stacks.read_templates(), drain=0.05)
stack.substrate.start(datetime.now(UTC))
stack.reach(stacks.release(("3", 90), ("4", 10)))
print(json.dumps([stack.substrate.gateway.child.pid, *stack.pids().values()]), flush=True)
sys.stdin.read()
"""


def test_a_killed_controller_leaves_no_process(tmp_path, until):
    command = [sys.executable, "-c", CONTROLLER, str(Path(__file__).with_name("conftest.py")), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as controller:
        pids = json.loads(controller.stdout.readline())
        assert len(pids) == 3
        controller.kill()
    until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    """Runs; a zombie that nobody reaps does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
