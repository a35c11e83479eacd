"""What an API server and people do to a controller: every fault ends in the release, and nothing is overwritten."""

import pytest

from registry.domain.errors import Unreachable
from registry.domain.version import DEFAULT_MODEL
from tests.registry.cluster.driver import Driver, policy
from tests.registry.cluster.server import SILENCE, Object


@pytest.mark.parametrize("status", [409, 429, 500, SILENCE])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("plural", ["inferenceservices", "httproutes"])
def test_a_write_that_fails_is_made_again_from_a_new_look(
    driver: Driver, plural: str, status: int, after: bool
) -> None:
    driver.server.fail("PATCH", plural, status, after=after)
    driver.serve("1:100")
    assert driver.cluster.weights() == {"shapes-v1": 100}
    assert driver.substrate.conflicts == (status == 409)


@pytest.mark.parametrize("status", [429, 500, 503, SILENCE])
def test_who_cannot_look_says_so_and_writes_nothing(driver: Driver, status: int) -> None:
    release = driver.serve("1:100")
    driver.server.writes.clear()
    driver.server.fail("GET", "pods", status)
    with pytest.raises(Unreachable):
        driver.substrate.anchor(DEFAULT_MODEL)
    driver.substrate.apply([release, driver.release("1:50", "2:50")], driver.now)
    assert driver.server.writes == []


def test_an_object_that_changed_since_it_was_seen_is_not_overwritten(driver: Driver) -> None:
    driver.serve("1:100")
    wanted = driver.release("1:100", "2:0:1")
    driver.look()
    driver.server.edit("inferenceservices", "shapes", lambda made: made["spec"]["predictor"].update(maxReplicas=7))
    driver.server.writes.clear()
    driver.substrate.apply([wanted], driver.now)
    assert driver.server.writes == []
    driver.turn(wanted)
    assert driver.server.objects["inferenceservices"]["shapes"]["spec"]["predictor"]["maxReplicas"] == 10


def test_a_controller_that_looked_before_another_one_wrote_the_route_writes_nothing(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    late, drop = driver.again(), driver.release("1:100")
    late.look()
    driver.turn(driver.release("2:100", "1:0"))
    driver.server.writes.clear()
    late.substrate.apply([drop], late.now)
    assert driver.server.writes == []
    assert driver.cluster.weights() == {"shapes-v2": 100, "shapes-v1": 0}


def edit_weights(route: Object) -> None:
    for backend in route["spec"]["rules"][1]["backendRefs"]:
        backend["weight"] = 50


def test_a_route_that_somebody_edited_is_repaired_and_told(driver: Driver) -> None:
    release = driver.serve("1:90", "2:10:1")
    driver.server.edit("httproutes", "shapes", edit_weights)
    driver.turn(release)
    backends = driver.server.objects["httproutes"]["shapes"]["spec"]["rules"][1]["backendRefs"]
    assert [backend["weight"] for backend in backends] == [90, 10]
    assert reasons(driver) == ["Repaired"]


def reasons(driver: Driver) -> list[str]:
    return [event["reason"] for event in driver.server.objects["events"].values()]


def test_an_entry_that_somebody_took_out_comes_back_and_is_told(driver: Driver) -> None:
    release = driver.serve("1:90", "2:10:1")
    driver.server.edit("inferenceservices", "shapes", lambda made: made["spec"].pop("canary"))
    driver.turn(release, 4)
    assert driver.cluster.of("shapes-v2")
    assert reasons(driver) == ["Repaired"]


def test_a_predictor_that_somebody_renamed_is_what_it_was_a_turn_later(driver: Driver) -> None:
    release = driver.serve("1:90", "2:10:1")

    def rename(made: Object) -> None:
        made["spec"]["predictor"] |= {"name": "mine"}
        made["spec"]["predictor"]["model"] |= {"storageUri": "pvc://model-store/mine", "env": []}

    driver.server.edit("inferenceservices", "shapes", rename)
    driver.turn(release)
    spec = driver.server.objects["inferenceservices"]["shapes"]["spec"]
    assert (spec["predictor"]["name"], len(spec["canary"])) == ("v1", 1)
    assert reasons(driver) == ["Repaired"]


def test_a_field_that_the_registry_does_not_write_stays_and_is_told_once(driver: Driver) -> None:
    release = driver.serve("1:100")
    chosen = {"disk": "ssd"}
    driver.server.edit(
        "inferenceservices", "shapes", lambda made: made["spec"]["predictor"].update(nodeSelector=chosen)
    )
    driver.turn(release, 5)
    assert driver.server.objects["inferenceservices"]["shapes"]["spec"]["predictor"]["nodeSelector"] == chosen
    assert reasons(driver) == ["Foreign"]


@pytest.mark.parametrize(("plural", "name"), [("httproutes", "shapes"), ("inferenceservices", "shapes")])
def test_an_object_that_somebody_deleted_is_made_again(driver: Driver, plural: str, name: str) -> None:
    release = driver.serve("1:90", "2:10:1")
    driver.server.remove(plural, name)
    driver.turn(release, 6)
    assert driver.cluster.weights() == {"shapes-v1": 90, "shapes-v2": 10}
    assert driver.cluster.ready() == {"shapes-v1": 2, "shapes-v2": 1}


def test_an_object_of_the_same_name_that_somebody_else_made_is_left_alone(driver: Driver) -> None:
    theirs = {"metadata": {"name": "shapes", "labels": {}}, "spec": {"predictor": {"name": "v9", "minReplicas": 1}}}
    driver.server.store("inferenceservices", theirs)
    for release in (driver.release("1:0"), driver.release("1:0")):
        driver.look()
        driver.substrate.apply([release], driver.now)
    assert driver.server.objects["inferenceservices"]["shapes"]["spec"] == theirs["spec"]
    assert reasons(driver) == ["NotApplied"]


def test_a_controller_that_was_just_started_changes_nothing_that_is_right(driver: Driver) -> None:
    release = driver.serve("1:90", "2:10:1")
    before = {name: made["metadata"]["generation"] for name, made in objects(driver)}
    driver.again().turn(release, 3)
    assert {name: made["metadata"]["generation"] for name, made in objects(driver)} == before


def objects(driver: Driver) -> list[tuple[str, Object]]:
    plurals = ("inferenceservices", "httproutes", "servingruntimes")
    return [(f"{plural}/{name}", made) for plural in plurals for name, made in driver.server.objects[plural].items()]


def test_a_new_image_arrives_with_the_next_version_and_the_old_runtime_goes_with_the_last_one(driver: Driver) -> None:
    driver.serve("1:100")
    pods = set(driver.cluster.pods)
    driver.policy = policy(image="registry.example/predictor:2")
    driver.turn(driver.release("1:100"), 3)
    assert set(driver.cluster.pods) == pods
    driver.serve("1:50", "2:50")
    assert len(driver.server.objects["servingruntimes"]) == 2
    driver.serve("2:100", "1:0")
    driver.serve("2:100")
    (runtime,) = driver.server.objects["servingruntimes"].values()
    assert runtime["spec"]["containers"][0]["image"] == "registry.example/predictor:2"


def test_what_a_dropped_version_leaves_behind_is_deleted(driver: Driver) -> None:
    driver.serve("1:100", "2:0:1", staging="3")
    assert len(driver.server.objects["horizontalpodautoscalers"]) == 3
    assert "shapes-staging-pinned" in driver.server.objects["httproutes"]
    driver.serve("1:100")
    assert driver.server.objects["horizontalpodautoscalers"].keys() == {"shapes-v1-predictor"}
    assert driver.server.objects["inferenceservices"].keys() == {"shapes"}
    assert driver.server.objects["httproutes"].keys() == {"shapes", "shapes-pinned"}


def test_a_first_version_that_is_withdrawn_leaves_nothing(driver: Driver) -> None:
    driver.turn(driver.release("1:0"), 5)
    driver.turn(driver.release(None), 10)
    assert [name for name, _ in objects(driver)] == []
    assert driver.cluster.pods == {}
