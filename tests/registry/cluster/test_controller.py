"""The controller's own loop over the cluster substrate: from a published version to production, and back on errors."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from registry.adapters.latency import Subject
from registry.controller.loop import Controller
from registry.domain.fold import fold
from registry.domain.observation import Latency
from registry.domain.state import State
from registry.domain.version import DEFAULT_MODEL
from registry.store.filing import file_request
from registry.store.home import Home
from registry.store.policy import load_policy
from tests.fixtures.versions import publish_tiny
from tests.registry.cluster.driver import NAMESPACE, START, Driver

POLICY = """\
schema: 1
serving: {minReplicas: 2}
evidence: {envoy: 127.0.0.1}
rollout:
  steps: [{weight: 10, soak: 5}, {weight: 50, soak: 5}]
  warmup: 1
  rollbackWindow: 60
"""
REQUESTS = 200
"""A second."""


class Prompt:
    """Measures at once."""

    def latency(self, key: str, subject: Subject) -> Latency:
        return Latency(subject.requests, 0, 0.005)


class Installation:
    """A controller that is started anew at will, over a fake cluster with traffic. bad: share of errors by version."""

    def __init__(self, driver: Driver, root: Path) -> None:
        self.driver, self.home, self.now = driver, Home(root), START
        self.bad: dict[str, float] = {}
        root.mkdir(exist_ok=True)
        self.home.policy.write_text(POLICY)
        publish_tiny(root)
        publish_tiny(root, flip=True)
        self.start()

    def start(self) -> None:
        self.driver = replace(self.driver)
        substrate = self.driver.substrate
        self.driver.policy = load_policy(self.home.policy)
        substrate.scrape.stats_port = urlsplit(self.driver.cluster.envoy_url).port or 0
        self.controller = Controller(
            self.home,
            substrate,
            probe=Prompt(),
            outcomes=substrate.outcomes,
            scrape=substrate.scrape,
            now=lambda: self.now,
        )

    def until(self, condition, *, seconds: int = 200) -> None:
        for _ in range(seconds):
            if condition():
                return
            while self.controller.turn():
                pass
            self.driver.cluster.turn()
            self.traffic()
            self.now += timedelta(seconds=1)
        raise AssertionError([entry.kind.value for entry in self.home.journal_of(DEFAULT_MODEL).read()])

    def traffic(self) -> None:
        """A second of it: by the route's weights, over the pods of each revision; the gateway counts beside them."""
        cluster = self.driver.cluster
        for place, (app, weight) in enumerate(cluster.weights().items()):
            pods = [pod for pod in cluster.of(app) if pod.ready]
            failed = round(REQUESTS * weight * self.bad.get(app, 0) / 100)
            for pod in pods:
                pod.bad += failed // len(pods)
                pod.good += REQUESTS * weight // 100 // len(pods) - failed // len(pods)
            for rule in (0, 1):
                cluster.envoy.setdefault(f"httproute/{NAMESPACE}/shapes/rule/{rule}/backend/{place}", 0)

    def promote(self, version: str) -> None:
        request = {"id": f"promote-{version}", "action": "promote", "version": version, "to": "production"}
        file_request(self.home.journal_of(DEFAULT_MODEL), request, by="somebody", now=self.now)

    def state(self) -> State:
        return fold(DEFAULT_MODEL, self.home.journal_of(DEFAULT_MODEL).read())

    def first(self) -> None:
        self.until(lambda: "2" in self.state().versions)
        self.promote("1")
        self.until(lambda: self.driver.cluster.weights() == {"shapes-v1": 100})


@pytest.fixture
def installation(driver: Driver, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(driver, tmp_path / "home")
    made.first()
    yield made
    made.controller.substrate.stop(made.now)


def test_a_healthy_version_goes_all_the_way_and_the_old_one_leaves_after_its_window(installation: Installation) -> None:
    cluster = installation.driver.cluster
    installation.promote("2")
    installation.until(lambda: installation.state().production == "2")
    installation.until(lambda: cluster.ready() == {"shapes-v2": 2})
    shares = list(dict.fromkeys(weights.get("shapes-v2", 0) for weights, _ in cluster.history))
    assert shares == [0, 10, 50, 100]
    assert installation.state().guarding is None


def test_a_version_that_fails_goes_back_and_its_pods_leave(installation: Installation) -> None:
    installation.bad["shapes-v2"] = 0.2
    installation.promote("2")
    installation.until(lambda: installation.state().versions["2"].stage == "archived")
    installation.until(lambda: installation.driver.cluster.ready() == {"shapes-v1": 2})
    assert installation.driver.cluster.weights() == {"shapes-v1": 100}
    assert installation.state().production == "1"


def test_a_version_that_fails_after_its_promotion_goes_back_without_a_pod_started(installation: Installation) -> None:
    cluster = installation.driver.cluster
    installation.promote("2")
    installation.until(lambda: installation.state().production == "2")
    installation.until(lambda: cluster.weights().get("shapes-v2") == 100)
    before = set(cluster.pods)
    installation.bad["shapes-v2"] = 0.2
    installation.until(lambda: installation.state().production == "1")
    installation.until(lambda: cluster.weights()["shapes-v1"] == 100)
    assert set(cluster.pods) <= before


def test_a_controller_that_is_started_anew_after_everything_it_did_gets_there_too(installation: Installation) -> None:
    objects = installation.driver.server.objects
    installation.promote("2")
    seen = [0]

    def there() -> bool:
        kinds = ("inferenceservices", "httproutes")
        written = sum(made["metadata"]["generation"] for kind in kinds for made in objects[kind].values())
        if written != seen[-1]:
            installation.start()
            seen.append(written)
        return installation.state().production == "2"

    installation.until(there)
    installation.until(lambda: installation.driver.cluster.weights() == {"shapes-v2": 100, "shapes-v1": 0})
    assert len(seen) > 5


def test_a_canary_whose_pods_die_has_no_weight_a_turn_later(installation: Installation) -> None:
    cluster = installation.driver.cluster
    installation.promote("2")
    installation.until(lambda: cluster.weights().get("shapes-v2") == 50)
    cluster.slow.add("shapes-v2")
    cluster.turn()
    while installation.controller.turn():
        pass
    assert cluster.weights() == {"shapes-v1": 100, "shapes-v2": 0}
