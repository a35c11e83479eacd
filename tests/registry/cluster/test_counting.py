"""Counters of revisions as sums over pods, with what the gateway counted; what is missing is never zero."""

from urllib.parse import urlsplit

import pytest

from registry.adapters.cluster.counting import PodScrape
from registry.adapters.monitoring import Target
from registry.domain.answers import Key
from registry.domain.observation import Counters
from registry.domain.version import DEFAULT_MODEL, Version
from tests.registry.cluster.driver import Driver

ONE, TWO = Version("1"), Version("2")
TARGETS = [Target(DEFAULT_MODEL, version, "") for version in (ONE, TWO)]


@pytest.fixture
def split(driver: Driver) -> Driver:
    """Version 1 at 90 %, version 2 at 10, and a proxy that counts both."""
    driver.serve("1:90", "2:10:1")
    names = [f"httproute/ml-geometry-dev/shapes/rule/{rule}/backend/{place}" for rule in (0, 1) for place in (0, 1)]
    driver.cluster.envoy |= dict.fromkeys(names, 0)
    driver.look()
    return driver


def scrape(driver: Driver, *, gateway: str | None = "127.0.0.1", timeout: float = 5.0):
    port = urlsplit(driver.cluster.envoy_url).port or 0
    found = driver.substrate.scrape
    made = PodScrape(driver.substrate.answering, lambda: gateway, stats_port=port, _errors=found._errors)
    return made(TARGETS, None, timeout=timeout)


def test_a_revision_counts_what_its_pods_count_together(split: Driver) -> None:
    first, second = split.cluster.of("shapes-v1")
    first.good, second.good, second.bad = 30, 12, 2
    counters, reasons = scrape(split)
    assert reasons == {}
    assert (counters[ONE].good, counters[ONE].predictor_errors, counters[TWO].good) == (42, 2, 0)
    assert counters[ONE].within == (42,) * 9


def test_the_gateway_counts_each_revision_by_its_place_in_the_route(split: Driver) -> None:
    split.cluster.envoy["httproute/ml-geometry-dev/shapes/rule/0/backend/1"] = 3
    split.cluster.envoy["httproute/ml-geometry-dev/shapes/rule/1/backend/1"] = 4
    counters, _ = scrape(split)
    assert (counters[ONE].proxy_errors, counters[TWO].proxy_errors) == (0, 7)


def test_without_a_gateway_in_the_policy_the_predictors_stand_alone(split: Driver) -> None:
    counters, _ = scrape(split, gateway=None)
    assert counters[ONE].proxy_errors is None


def test_a_gateway_that_names_no_pod_leaves_everybody_out(split: Driver) -> None:
    counters, reasons = scrape(split, gateway="nowhere.invalid")
    assert (counters, set(reasons)) == ({}, {ONE, TWO})


def test_a_proxy_that_does_not_know_the_route_yet_says_nothing_of_it(split: Driver) -> None:
    del split.cluster.envoy["httproute/ml-geometry-dev/shapes/rule/1/backend/1"]
    counters, reasons = scrape(split)
    assert (set(counters), set(reasons)) == ({ONE}, {TWO})
    assert "counts nothing of" in reasons[TWO]


def test_one_silent_pod_leaves_its_revision_out(split: Driver) -> None:
    split.cluster.of("shapes-v1")[1].silent = True
    counters, reasons = scrape(split)
    assert (set(counters), set(reasons)) == ({TWO}, {ONE})


def test_a_revision_without_a_ready_pod_is_left_out(split: Driver) -> None:
    split.cluster.of("shapes-v2")[0].ready = False
    split.cluster.turn()
    split.look()
    assert scrape(split)[1] == {TWO: "no pod is ready"}


def test_a_pod_that_comes_or_a_proxy_that_starts_anew_is_another_incarnation(split: Driver) -> None:
    place = "httproute/ml-geometry-dev/shapes/rule/0/backend/0"
    split.cluster.envoy[place] = 5
    before = incarnation(scrape(split))
    assert incarnation(scrape(split)) == before
    split.cluster.envoy[place] = 1
    restarted = incarnation(scrape(split))
    assert restarted != before
    split.cluster.of("shapes-v1")[0].ready = False
    split.cluster.turn()
    split.look()
    assert incarnation(scrape(split)) not in (before, restarted)


def incarnation(found: tuple[dict[Version, Counters], object]) -> str:
    return found[0][ONE].incarnation


def test_weights_that_change_places_in_the_route_are_another_incarnation(split: Driver) -> None:
    before = incarnation(scrape(split))
    split.turn(split.release("2:50", "1:50", pods=1))
    split.look()
    assert incarnation(scrape(split)) != before


def outcome(id: str, name: str) -> dict[str, object]:
    return {"id": id, "index": 0, "time": 1.0, "class": name, "confidence": 0.9, "traffic": "live"}


def test_a_revision_answered_what_any_of_its_pods_answered(split: Driver) -> None:
    first, second = split.cluster.of("shapes-v1")
    first.outcomes, second.outcomes = [outcome("a", "circle")], [outcome("b", "star")]
    found = split.substrate.outcomes.answers(DEFAULT_MODEL, {ONE: None, TWO: None})
    assert found[ONE].known == {Key("a", 0): "circle", Key("b", 0): "star"}
    assert found[TWO].known == {}


def test_what_a_pod_answered_is_known_after_its_end(split: Driver) -> None:
    gone = split.cluster.of("shapes-v1")[0]
    gone.outcomes = [outcome("a", "circle")]
    split.substrate.outcomes.answers(DEFAULT_MODEL, {ONE: None})
    gone.ready = False
    split.cluster.turn()
    split.look()
    assert Key("a", 0) in split.substrate.outcomes.answers(DEFAULT_MODEL, {ONE: None})[ONE].known


def test_an_image_that_two_pods_answered_says_nothing(split: Driver) -> None:
    for pod, name in zip(split.cluster.of("shapes-v1"), ("circle", "star"), strict=True):
        pod.outcomes = [outcome("a", name)]
    assert split.substrate.outcomes.answers(DEFAULT_MODEL, {ONE: None})[ONE].known == {Key("a", 0): None}
