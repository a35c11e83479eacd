"""The whole process of a controller in a cluster: it waits for the Lease, acts, answers, and ends as it should."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from registry.adapters.cluster.lease import NAME, Lease
from registry.adapters.cluster.place import ClusterPlace
from registry.controller import cluster
from registry.domain.answers import SILENT
from registry.store.home import Home
from tests.fixtures.versions import publish_tiny
from tests.registry.cluster_objects.conftest import POLICY, ObeyingSubstrate
from tests.registry.cluster_objects.fake_api import FakeApi


class Outcomes:
    def answers(self, model: str, urls: dict[str, str | None]) -> object:
        return dict.fromkeys(urls, SILENT)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    def substrate(*_: object, **__: object) -> ObeyingSubstrate:
        made = ObeyingSubstrate()
        made.outcomes, made.scrape = Outcomes(), lambda *_, **__: ({}, {})  # type: ignore[attr-defined]
        return made

    monkeypatch.setattr(cluster, "ClusterSubstrate", substrate)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with FakeApi() as made:
        yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def home(tmp_path) -> Home:
    made = Home(tmp_path / "home")
    made.root.mkdir()
    made.policy.write_text(POLICY)
    publish_tiny(made.root)
    return made


def serve(home: Home, api: FakeApi, then: Callable[[], None]) -> int:
    """The process in this thread, as it takes signals, and what happens meanwhile in another."""
    meanwhile = threading.Thread(target=then)
    meanwhile.start()
    try:
        return cluster.serve(home, {"GEOMETRY_POD": "pod"}, api=api.seen_by(), port=0)
    finally:
        meanwhile.join()


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def promote(api: FakeApi) -> str:
    spec = {"action": "promote", "model": "shapes", "version": "1", "to": "production", "requestedBy": "ann"}
    made = {"kind": "Promotion", "metadata": {"name": "first"}, "spec": spec}
    return str(api.create("promotions", made, "ml-geometry.io/v1alpha1", "ann")["metadata"]["name"])


def test_it_takes_a_promotion_and_ends_with_sigterm_leaving_the_lease_free(home, api):
    def then() -> None:
        until(lambda: ("models", "shapes") in api.objects)
        name = promote(api)
        until(lambda: (api.get("promotions", name).get("status") or {}).get("phase") == "Guarding")
        terminate()

    assert serve(home, api, then) == 0
    assert api.get("leases", NAME)["spec"]["holderIdentity"] == ""


def test_a_promotion_wakes_it_before_its_next_turn(home, api, monkeypatch):
    monkeypatch.setattr(cluster, "PACE", 3600.0)

    def then() -> None:
        until(lambda: ("models", "shapes") in api.objects)
        name = promote(api)
        until(lambda: (api.get("promotions", name).get("status") or {}).get("phase"))
        terminate()

    assert serve(home, api, then) == 0


def test_it_does_nothing_while_another_one_acts(home, api):
    other = Lease(api.seen_by(), "other")
    other.attempt()

    def then() -> None:
        until(lambda: sum(path.endswith("leases/" + NAME) for _, path, _ in api.asked) > 1)
        terminate()

    assert serve(home, api, then) == 0
    assert home.journals() == ()
    assert api.get("leases", NAME)["spec"]["holderIdentity"] == "other"


def test_it_ends_with_1_when_it_loses_the_lease(home, api, monkeypatch):
    monkeypatch.setattr("registry.adapters.cluster.lease.EVERY", 0.05)
    monkeypatch.setattr(cluster, "PACE", 0.05)

    def then() -> None:
        until(lambda: ("models", "shapes") in api.objects)

        def taken(lease: dict) -> dict:
            return {**lease, "spec": {**lease["spec"], "holderIdentity": "other"}}

        until(lambda: changed(taken))

    def changed(change: Callable[[dict], dict]) -> bool:
        api.change("leases", NAME, None, change, "root")
        return True

    assert serve(home, api, then) == 1


def test_it_answers_through_the_api_server_before_it_acts(home, api, monkeypatch):
    def then() -> None:
        until(lambda: ("models", "shapes") in api.objects)
        terminate()

    started, original = [], cluster.Server.start

    def start(server: cluster.Server) -> None:
        original(server)
        api.proxied = f"http://127.0.0.1:{server.port}"
        place = ClusterPlace(api.seen_by("ann"), home.root / "reports")
        started.append(place.controller_runs())  # it answers, and is not ready before it acts

    monkeypatch.setattr(cluster.Server, "start", start)
    assert serve(home, api, then) == 0
    assert started == [False]
