"""The order of writes of a rollout: pods before weight, weight away before pods, one patch for the swap."""

from registry.domain.release import Release
from tests.registry.cluster.driver import Driver


def test_the_first_version_gets_requests_when_its_pods_are_ready_and_the_anchor_with_them(driver: Driver) -> None:
    driver.cluster.slow.add("shapes-v1")
    first = driver.release("1:0")
    driver.turn(first, 5)
    assert driver.server.objects["httproutes"].keys() == {"shapes-pinned"}
    promoted = driver.release("1:100")
    driver.turn(promoted, 5)
    assert driver.cluster.weights() == {}
    driver.cluster.slow.clear()
    driver.turn(promoted, 3)
    assert driver.cluster.weights() == {"shapes-v1": 100}
    assert driver.substrate.anchor(promoted.model) == promoted.anchor


def test_a_canary_starts_dark_and_has_its_pods_before_each_weight(driver: Driver) -> None:
    driver.serve("1:100", pods=4)
    driver.serve("1:100", "2:0:1", pods=4)
    for weight, pods in ((10, 1), (25, 2), (50, 4)):
        driver.serve(f"1:{100 - weight}", f"2:{weight}:{pods}", pods=4)
    assert all(ready.get("shapes-v2", 0) >= needed(weights.get("shapes-v2", 0)) for weights, ready in seen(driver))
    assert all(ready.get("shapes-v1", 0) >= 4 for weights, ready in seen(driver) if weights)
    assert driver.cluster.weights() == {"shapes-v1": 50, "shapes-v2": 50}


def seen(driver: Driver):
    return driver.cluster.history


def needed(weight: int) -> int:
    return {0: 0, 10: 1, 25: 2, 50: 4, 100: 4}[weight]


def test_a_promotion_from_ten_percent_waits_for_all_pods(driver: Driver) -> None:
    driver.serve("1:100", pods=4)
    driver.serve("1:90", "2:10:1", pods=4)
    driver.serve("2:100", "1:0", pods=4)
    assert all(ready.get("shapes-v2", 0) >= needed(weights.get("shapes-v2", 0)) for weights, ready in seen(driver))
    assert driver.cluster.weights() == {"shapes-v2": 100, "shapes-v1": 0}


def test_predictor_and_canary_are_swapped_in_one_patch_after_the_route_and_no_pod_starts(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    pods = set(driver.cluster.pods)
    driver.server.writes.clear()
    driver.serve("2:100", "1:0")
    written = [write for write in driver.server.writes if "pinned" not in write]
    assert written[0] == "PATCH httproutes/shapes"
    service = driver.server.objects["inferenceservices"]["shapes"]["spec"]
    assert (service["predictor"]["name"], [found["predictor"]["name"] for found in service["canary"]]) == ("v2", ["v1"])
    assert service["predictor"]["minReplicas"] == 4  # its own two and those of the canary, which KServe takes off it
    assert set(driver.cluster.pods) == pods


def test_a_rollback_in_the_window_is_weights_first_and_starts_no_pod(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    driver.serve("2:100", "1:0")
    pods = {pod.name for pod in driver.cluster.of("shapes-v1")}
    driver.server.writes.clear()
    driver.turn(driver.release("1:100"))
    assert driver.server.writes == ["PATCH httproutes/shapes"]
    assert driver.cluster.weights() == {"shapes-v1": 100, "shapes-v2": 0}
    driver.turn(driver.release("1:100"), 15)
    assert {pod.name for pod in driver.cluster.pods.values()} == pods
    assert driver.server.objects["inferenceservices"]["shapes"]["spec"]["predictor"]["name"] == "v1"
    assert "canary" not in driver.server.objects["inferenceservices"]["shapes"]["spec"]


def test_a_version_that_is_rolled_back_gets_no_pods_for_its_way_out(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    driver.serve("2:100", "1:0")
    before, back = set(driver.cluster.pods), driver.release("1:100")
    for _ in range(15):
        driver.turn(back)
        assert {pod for pod in driver.cluster.pods if "-v2-" in pod} <= before


def test_a_rollback_does_not_wait_for_pods_that_are_missing(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    driver.serve("2:100", "1:0")
    driver.cluster.of("shapes-v1")[0].ready = False
    driver.cluster.turn()
    driver.turn(driver.release("1:100"))
    assert driver.cluster.weights() == {"shapes-v1": 100, "shapes-v2": 0}


def shares(driver: Driver, release: Release, turns: int) -> list[dict[str, int]]:
    """Weights as they were written, each once, over so many turns."""
    found: list[dict[str, int]] = []
    for _ in range(turns):
        driver.turn(release)
        found += [now] if (now := driver.cluster.shares()) not in found[-1:] else []
    return found


def test_first_requests_come_seconds_after_a_trace_of_them_and_last_ones_leave_a_trace(driver: Driver) -> None:
    driver.serve("1:100", "2:0")
    traced = {"shapes-v1": 999_999, "shapes-v2": 1}
    up = shares(driver, driver.release("1:90", "2:10"), 12)
    assert up == [{"shapes-v1": 100, "shapes-v2": 0}, traced, {"shapes-v1": 90, "shapes-v2": 10}][-len(up) :]
    assert traced in up
    down = shares(driver, driver.release("1:100"), 12)
    assert down[:2] == [traced, {"shapes-v1": 100}]


def test_the_version_before_keeps_a_trace_so_that_it_gets_everything_back_at_once(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    driver.serve("2:100", "1:0")
    assert driver.cluster.shares() == {"shapes-v2": 999_999, "shapes-v1": 1}
    driver.turn(driver.release("1:100"))
    assert driver.cluster.shares() == {"shapes-v1": 999_999, "shapes-v2": 1}


def test_who_has_no_pods_has_no_trace(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:90", "2:10")
    for pod in driver.cluster.of("shapes-v2"):
        pod.ready = False
    driver.cluster.turn()
    driver.turn(driver.release("1:100", "2:0"), 2)
    assert driver.cluster.shares() == {"shapes-v1": 100, "shapes-v2": 0}


def test_a_canary_that_goes_loses_its_weight_first_and_its_pods_five_idle_seconds_later(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    back = driver.release("1:100")
    driver.turn(back, 2)
    for _ in range(6):  # clients that still have a connection
        driver.cluster.of("shapes-v2")[0].good += 1
        driver.turn(back)
    assert driver.cluster.of("shapes-v2")
    driver.turn(back, 8)
    assert not driver.cluster.of("shapes-v2")


def test_nothing_is_dropped_while_no_gateway_has_taken_the_route(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:50", "2:50")
    driver.cluster.deaf = True
    driver.turn(driver.release("1:100"), 30)
    assert driver.cluster.of("shapes-v2")
    assert driver.route is not None
    assert driver.route.weights == {"1": 50, "2": 50}


def test_a_mirrored_canary_has_no_weight_and_every_rule_copies_to_it(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:100", "2:m100:1")
    rules = driver.server.objects["httproutes"]["shapes"]["spec"]["rules"]
    mirrors = [
        one["requestMirror"]["backendRef"] for rule in rules for one in rule["filters"] if "requestMirror" in one
    ]
    assert [(one["name"], one["port"]) for one in mirrors] == [
        ("shapes-v2-predictor", 8081),
        ("shapes-v2-predictor", 80),
    ]
    assert driver.cluster.weights() == {"shapes-v1": 100, "shapes-v2": 0}


def test_nobody_gains_weight_whose_pods_say_another_digest(driver: Driver) -> None:
    driver.serve("1:100")
    driver.serve("1:100", "2:0:1")
    driver.cluster.of("shapes-v2")[0].digest = "9" * 64
    driver.substrate._presence.prober.keep(frozenset())
    driver.serve("1:90", "2:10:1")
    assert driver.cluster.weights() == {"shapes-v1": 100, "shapes-v2": 0}
    assert driver.revisions["2"].digest == "9" * 64  # type: ignore[index]
