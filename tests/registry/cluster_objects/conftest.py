"""A namespace: an API server of its own, and controllers that decide as the real one does without running anything."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.adapters.cluster.events import Events
from registry.adapters.cluster.labels import LabelMaps
from registry.adapters.cluster.models_view import ModelViews
from registry.adapters.cluster.promotions import Desk
from registry.controller.loop import Controller
from registry.domain.answers import SILENT
from registry.domain.fold import fold
from registry.domain.journal import Anchor, Entry
from registry.domain.observation import Counters, Endpoint, Latency, ObservedRevision, ObservedRoute
from registry.domain.release import Release
from registry.domain.signals import LATENCY_EDGES
from registry.domain.state import State
from registry.domain.version import Model, Version
from registry.store.home import Home
from tests.fixtures.versions import publish_tiny
from tests.manifests.api import Api
from tests.manifests.conftest import api, kubectl
from tests.registry.cluster_objects.fake_api import FakeApi
from tests.registry.cluster_objects.real_api import OVERLAY, RealApi

__all__ = ["api", "kubectl"]
"""Fixtures of the real API server."""

SHAPES = Model("shapes")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = """\
schema: 1
serving: {minReplicas: 1}
checklist: [{check: latency, required: false}]
rollout:
  steps: [{weight: 10, soak: 1}, {weight: 50, soak: 1}]
  beta: 0.5
  floors: {errors: 0.2, latency: 0.2, refused: 0.2, low_confidence: 0.2}
  warmup: 0
  rollbackWindow: 12
"""


@dataclass
class ObeyingSubstrate:
    """Everything that is released is there at once, ready, with its digest."""

    releases: dict[Model, Release] = field(default_factory=dict)
    since: datetime | None = None
    proxy_url: str | None = None
    conflicts: int = 0

    def start(self, now: datetime) -> None: ...

    def stop(self, now: datetime) -> None: ...

    def observe(self, model: Model, now: datetime) -> tuple[Mapping[Version, ObservedRevision], ObservedRoute | None]:
        release = self.releases.get(model)
        if release is None:
            return {}, None
        running = [found for found in (*release.live, release.staging) if found]
        seen = {found.version: ObservedRevision(found.version, True, found.digest, 0) for found in running}
        return seen, ObservedRoute(release.weights, self.since or now, None)

    def anchor(self, model: Model) -> Anchor | None:
        return self.releases[model].anchor if model in self.releases else None

    def endpoints(self, model: Model) -> Mapping[Version, Endpoint]:
        release = self.releases.get(model)
        live = release.live if release else ()
        return {found.version: Endpoint(f"http://{found.version}", "", "a") for found in live}

    def staging(self, model: Model) -> Endpoint | None:
        return None

    def apply(self, releases: Any, now: datetime) -> None:
        for release in releases:
            before = self.releases.get(release.model)
            if before is None or before.weights != release.weights:
                self.since = now
            self.releases[release.model] = release


class Silent:
    def answers(self, model: Model, urls: Mapping[Version, str | None]) -> Any:
        return dict.fromkeys(urls, SILENT)

    def latency(self, key: str, subject: object) -> Latency | None:
        return None


@dataclass
class Namespace:
    """An installation in a namespace of the fake API. good: answers of each revision so far."""

    api: FakeApi | RealApi
    home: Home
    time: datetime
    good: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.substrate = ObeyingSubstrate()
        self.start()

    def start(self) -> None:
        """A controller that knows only what is on disk and in the cluster."""
        api = self.api.seen_by("controller")
        desk = Desk(api, Events(api), ModelViews(api, Events(api)), LabelMaps(api, self.home.labels_of))
        self.controller = Controller(
            self.home, self.substrate, inbox=desk, probe=Silent(), outcomes=Silent(), now=lambda: self.time,
            scrape=self._scrape,
        )  # fmt: skip

    def _scrape(self, targets: Any, envoy: str | None, *, timeout: float) -> Any:
        counted = {}
        for target in targets:
            good, errors = self.good.get(target.version, 0), self.errors.get(target.version, 0)
            counted[target.version] = Counters(
                good=good, refused=0, predictor_errors=errors, proxy_errors=errors, incarnation="a",
                within=(good,) * len(LATENCY_EDGES), images=good, low_confidence=0,
            )  # fmt: skip
        return counted, {}

    def turn(self, seconds: float = 2.0) -> None:
        self.time += timedelta(seconds=seconds)
        weights = self.substrate.releases[SHAPES].weights if SHAPES in self.substrate.releases else {}
        for version, weight in weights.items():
            self.good[version] = self.good.get(version, 0) + 10 * weight
        self.controller.turn()

    def until(self, condition: Callable[[], object], turns: int = 300) -> None:
        for _ in range(turns):
            if condition():
                return
            self.turn()
        raise AssertionError(f"not in {turns} turns: {[entry.kind.value for entry in self.entries()][-10:]}")

    def promote(self, version: str | None, by: str = "ann", **spec: Any) -> str:
        """File a Promotion; return its name."""
        wanted = {"action": "promote", "model": "shapes", "to": "production", "requestedBy": by, **spec}
        wanted |= {"version": version} if version else {}
        return self.file("promotions", "Promotion", {k: v for k, v in wanted.items() if v is not None}, by)

    def approve(self, version: str, digest: str, by: str = "bob") -> str:
        spec = {"model": "shapes", "version": version, "digest": digest, "by": by}
        return self.file("approvals", "Approval", spec, by)

    def file(self, plural: str, kind: str, spec: dict[str, Any], user: str) -> str:
        made = {"kind": kind, "metadata": {"generateName": f"{kind.lower()}-"}, "spec": spec}
        return str(self.api.create(plural, made, "ml-geometry.io/v1alpha1", user)["metadata"]["name"])

    def control(self, name: str, action: str, by: str = "ann", **more: str) -> None:
        def said(made: dict[str, Any]) -> dict[str, Any]:
            return {**made, "spec": {**made["spec"], "control": {"action": action, "by": by, **more}}}

        self.api.change("promotions", name, None, said, by)

    def status(self, name: str, plural: str = "promotions") -> dict[str, Any]:
        return dict(self.api.get(plural, name).get("status") or {})

    def phase(self, name: str) -> str | None:
        return self.status(name).get("phase")

    def condition(self, name: str, kind: str) -> str:
        return next(found["status"] for found in self.status(name)["conditions"] if found["type"] == kind)

    def entries(self) -> tuple[Entry, ...]:
        return self.home.journal_of(SHAPES).read()

    def state(self) -> State:
        return fold(SHAPES, self.entries())

    def kinds(self) -> list[str]:
        return [entry.kind.value for entry in self.entries()]

    def notes(self) -> list[tuple[str, str]]:
        return [(made["reason"], made["type"]) for made in self.api.of("events")]


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def server(request: pytest.FixtureRequest) -> Iterator[FakeApi | RealApi]:
    """The fake API server; with `--cluster` also a real one, with the overlay's schemas, policies and roles."""
    if request.param == "real":
        found = request.getfixturevalue("real_api")
        found.clear()
        yield found
        return
    with FakeApi() as api:
        yield api


@pytest.fixture
def fake(server: FakeApi | RealApi) -> FakeApi:
    """For what no real server does when it is asked to."""
    if not isinstance(server, FakeApi):
        pytest.skip("a real API server does not fail on demand")
    return server


@pytest.fixture
def namespace(tmp_path: Path, server: FakeApi | RealApi) -> Namespace:
    """Versions 1 and 2 in the store, nothing asked yet."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.policy.write_text(POLICY)
    publish_tiny(home.root)
    publish_tiny(home.root, flip=True)
    made = Namespace(server, home, datetime.now(UTC) if isinstance(server, RealApi) else NOON)
    server.now = lambda: made.time
    made.turn()
    return made


@pytest.fixture
def served(namespace: Namespace) -> Namespace:
    """Version 1 in production, its window over."""
    namespace.promote("1")
    namespace.until(lambda: namespace.state().production == "1" and namespace.state().guarding is None)
    return namespace


@pytest.fixture(scope="session")
def real_api(api: Api) -> RealApi:
    """A real API server with the dev overlay; ann and bob may promote and approve."""
    assert api.kubectl("root", "apply", "-k", OVERLAY).returncode == 0
    made = RealApi(api)
    made.admit_people()
    return made
