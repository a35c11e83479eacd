"""What a turn sees of pods and of the route."""

import pytest

from registry.domain.journal import Anchor
from registry.domain.observation import ObservedRevision
from registry.domain.version import DEFAULT_MODEL, Model, Version
from tests.registry.cluster.driver import DIGESTS, START, Driver
from tests.registry.cluster.server import Object

ONE, TWO = Version("1"), Version("2")


def container(*, waiting: Object | None = None, ended: Object | None = None, restarts: int = 0) -> Object:
    told: Object = {"name": "kserve-container", "restartCount": restarts, "state": {}, "lastState": {}}
    if waiting:
        told["state"] = {"waiting": waiting}
    if ended:
        told["lastState"] = {"terminated": ended}
    return {"containerStatuses": [told]}


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
LOOPING = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}


@pytest.mark.parametrize(
    ("status", "restarts", "out_of_memory", "problem"),
    [
        (container(waiting=LOOPING, ended={"reason": "Error"}, restarts=3), 3, False, "CrashLoopBackOff: back-off 10s"),
        (container(ended={"reason": "OOMKilled"}, restarts=1), 1, True, None),
        (container(waiting={"reason": "ErrImagePull"}), 0, False, "ErrImagePull"),
        (container(waiting={"reason": "ContainerCreating"}), 0, False, None),
        (
            {"podIP": None, "containerStatuses": [], "conditions": [UNSCHEDULED]},
            0,
            False,
            "Unschedulable: 0/1 nodes: cpu",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, 0, False, "Evicted: low on memory"),
    ],
)
def test_a_canary_that_is_not_ready_says_why(
    driver: Driver, status: Object, restarts: int, out_of_memory: bool, problem: str | None
) -> None:
    driver.serve("1:100", "2:0:1")
    (pod,) = driver.cluster.of("shapes-v2")
    pod.ready, pod.status = False, status
    driver.cluster.turn()
    driver.look()
    since = driver.now
    assert driver.revisions[TWO] == ObservedRevision(
        TWO, False, None, restarts, since, pods=0, out_of_memory=out_of_memory, problem=problem
    )
    assert (driver.revisions[ONE].ready, driver.revisions[ONE].digest) == (True, DIGESTS["1"])


def test_a_revision_is_not_ready_since_it_was_first_seen_so(driver: Driver) -> None:
    driver.cluster.slow.add("shapes-v1")
    driver.turn(driver.release("1:0"), 5)
    assert driver.revisions[ONE].unready_since == START.replace(second=1)
    driver.cluster.slow.clear()
    driver.turn(driver.release("1:0"), 2)
    assert driver.revisions[ONE].unready_since is None


def test_a_version_that_comes_again_is_not_ready_since_it_came(driver: Driver) -> None:
    driver.serve("1:100")
    driver.cluster.slow.add("shapes-v2")
    driver.serve("1:100", "2:0:1")
    driver.serve("1:100")
    again = driver.now
    driver.serve("1:100", "2:0:1")
    assert driver.revisions[TWO].unready_since is not None
    assert driver.revisions[TWO].unready_since > again


def test_models_of_a_turn_share_a_look_and_every_turn_takes_a_new_one(driver: Driver) -> None:
    other, looks = Model("other"), []
    driver.server.before_read = looks.append
    driver.substrate.anchor(DEFAULT_MODEL)
    driver.substrate.anchor(other)
    assert looks.count("pods") == 1
    driver.substrate.anchor(other)
    assert looks.count("pods") == 2
    driver.substrate.apply([], driver.now)
    driver.substrate.anchor(DEFAULT_MODEL)
    assert looks.count("pods") == 3


def test_of_several_pods_the_one_with_another_digest_speaks_for_the_revision(driver: Driver) -> None:
    driver.serve("1:100")
    driver.cluster.of("shapes-v1")[1].digest = "9" * 64
    driver.again().look()
    fresh = driver.again()
    fresh.look()
    assert fresh.revisions[ONE].digest == "9" * 64


def test_a_pod_on_its_way_out_is_no_pod_of_the_revision(driver: Driver) -> None:
    driver.serve("1:100")
    name = driver.cluster.of("shapes-v1")[0].name
    driver.server.edit("pods", name, lambda made: made["metadata"].update(deletionTimestamp="2026-03-01T00:00:00Z"))
    driver.look()
    assert driver.revisions[ONE].pods == 1


def test_weights_count_as_applied_since_a_gateway_took_them(driver: Driver) -> None:
    driver.serve("1:100")
    driver.cluster.deaf = True
    release = driver.serve("1:90", "2:10:1")
    assert driver.route is not None
    assert (driver.route.weights, driver.route.anchor) == ({"1": 100}, release.anchor)
    driver.cluster.deaf = False
    while driver.route.weights == {"1": 100}:
        driver.turn(release)
    assert driver.route.weights == {"1": 90, "2": 10}
    assert driver.route.since == driver.now.replace(second=driver.now.second - 1)


def test_a_controller_that_finds_a_route_which_no_gateway_took_knows_nothing_of_it(driver: Driver) -> None:
    driver.serve("1:100")
    driver.cluster.deaf = True
    driver.serve("1:90", "2:10:1")
    fresh = driver.again()
    fresh.look()
    assert fresh.route is None


def test_rules_that_disagree_about_weights_are_not_known(driver: Driver) -> None:
    driver.serve("1:90", "2:10:1")

    def edit(route: Object) -> None:
        route["spec"]["rules"][1]["backendRefs"][0]["weight"] = 70

    driver.server.edit("httproutes", "shapes", edit)
    driver.cluster.turn()
    fresh = driver.again()
    fresh.look()
    assert fresh.route is None


def test_no_route_means_no_weights_and_no_anchor(driver: Driver) -> None:
    assert driver.substrate.anchor(DEFAULT_MODEL) is None
    driver.look()
    assert (driver.revisions, driver.route and driver.route.weights) == ({}, {})


def test_the_anchor_is_of_the_entry_that_was_acted_upon(driver: Driver) -> None:
    driver.serve("1:100")
    acted = driver.release("1:100")
    driver.turn(acted)
    assert driver.substrate.anchor(DEFAULT_MODEL) == acted.anchor
    driver.cluster.slow.add("shapes-v2")
    driver.serve("1:90", "2:10:1")
    assert driver.substrate.anchor(DEFAULT_MODEL) == Anchor(acted.anchor.sequence, acted.anchor.sha256)


def test_staging_is_reached_when_it_is_the_released_version_and_says_so(driver: Driver) -> None:
    driver.cluster.slow.add("shapes-staging-v2")
    release = driver.serve("1:100", staging="2")
    assert driver.substrate.staging(DEFAULT_MODEL) is None
    driver.cluster.slow.clear()
    driver.turn(release, 2)
    found = driver.substrate.staging(DEFAULT_MODEL)
    (pod,) = driver.cluster.of("shapes-staging-v2")
    assert found is not None
    assert found.url == pod.url
    driver.turn(driver.release("1:100", staging="3"))
    assert driver.substrate.staging(DEFAULT_MODEL) is None
