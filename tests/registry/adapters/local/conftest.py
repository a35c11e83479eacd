"""A local installation with predictors that have no model, driven by turns as the controller does it."""

import http.client
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.adapters.local.envoy import Ports
from registry.adapters.local.revision import Program, free_port
from registry.adapters.local.substrate import LocalSubstrate
from registry.domain.journal import Anchor
from registry.domain.objects import Templates
from registry.domain.observation import ObservedRevision, ObservedRoute
from registry.domain.policy import Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import Model, Version
from registry.manifests import read_templates

SHAPES = Model("shapes")
FAKE = Path(__file__).parents[3] / "fixtures" / "fake_predictor.py"


def until(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Ask again and again until the condition holds; fail when it does not within the time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come about in time"


def digest(version: str) -> str:
    return version.replace(".", "").rjust(64, "0")


def revision(version: str, weight: int) -> RevisionRelease:
    return RevisionRelease(Version(version), digest(version), weight, replicas=1)


def release(
    *weights: tuple[str, int],
    model: str = SHAPES,
    staging: str | None = None,
    sequence: int = 1,
    mirror: int = 0,
    variant: str = "fp32",
) -> Release:
    """The first of `weights` is the stable revision. mirror: of all canaries. variant: of all revisions."""
    stable, *canaries = [replace(revision(version, weight), variant=variant) for version, weight in weights] or [None]
    canaries = [replace(canary, mirror=mirror) for canary in canaries if canary]
    staged = replace(revision(staging, 0), variant=variant) if staging else None
    return Release(Model(model), stable, tuple(canaries), staged, Anchor(sequence, digest(str(sequence))))


class Stack:
    """A substrate on free ports."""

    def __init__(self, home: Path, templates: Templates, drain: float) -> None:
        self.home = home
        self.store = home / "store"
        self.ports = Ports(public=free_port(), pinned=free_port(), admin=free_port())
        program = Program((sys.executable, "-I", "-S", str(FAKE)), self.store, home / "trust.json", home / "run/logs")
        self.substrate = LocalSubstrate(
            home=home,
            program=program,
            ports=self.ports,
            templates=templates,
            serving=Serving(),
            drain=timedelta(seconds=drain),
        )
        self.seen: dict[Version, ObservedRevision] = {}
        self.route: ObservedRoute | None = None

    def behave(self, version: str, *, model: str = SHAPES, **behaviour: object) -> None:
        directory = self.store / "models" / model / version
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "behaviour.json").write_text(json.dumps(behaviour))

    def turn(self, *releases: Release, model: Model = SHAPES) -> None:
        """observe, then apply."""
        now = datetime.now(UTC)
        seen, self.route = self.substrate.observe(model, now)
        self.seen = dict(seen)
        self.substrate.apply(releases, now)

    def turns_until(self, wanted: Release, condition: Callable[[], object]) -> None:
        def turned() -> object:
            self.turn(wanted, model=wanted.model)
            return condition()

        until(turned)

    def reach(self, wanted: Release) -> None:
        """Turns until the route shows the wanted weights."""
        self.turns_until(wanted, lambda: self.route and dict(self.route.weights) == wanted.weights)

    def pids(self) -> dict[Version, int]:
        return {
            found.workload.version: found.child.pid
            for found in self.substrate._revisions.values()
            if found.child.pid is not None
        }


@pytest.fixture(scope="session")
def templates() -> Templates:
    return read_templates()


@pytest.fixture
def stack(tmp_path: Path, templates: Templates) -> Iterator[Stack]:
    made = Stack(tmp_path, templates, drain=0.05)
    made.substrate.start(datetime.now(UTC))
    yield made
    made.substrate.stop(datetime.now(UTC))


def post(
    port: int, path: str = "/v1/models/shapes:predict", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and document of one prediction."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body=b"image", headers=headers or {})
        answer = connection.getresponse()
        content = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, json.loads(content) if content else {}
    finally:
        connection.close()


def split(port: int, requests: int) -> Counter[str]:
    """Which revision answered how many requests of one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    found: Counter[str] = Counter()
    for _ in range(requests):
        connection.request("POST", "/v1/models/shapes:predict", body=b"image")
        answer = connection.getresponse()
        answer.read()
        found[answer.headers["x-revision"]] += 1
    connection.close()
    return found


class Load:
    """Requests from several connections as long as the block lasts; what was not answered with 200 is in `failed`."""

    def __init__(self, port: int, connections: int = 2) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(connections)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/v1/models/shapes:predict", body=b"image")
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
                continue
            if answer.status != 200:
                self.failed.append(f"{answer.status} {content[:80]!r}")
            self.answered += 1
        connection.close()


# Tests know this file by fixtures alone: with --import-mode=importlib it has no name to import it by.
@pytest.fixture(name="until", scope="session")
def _until():
    return until


@pytest.fixture(name="digest", scope="session")
def _digest():
    return digest


@pytest.fixture(name="release", scope="session")
def _release():
    return release


@pytest.fixture(name="post", scope="session")
def _post():
    return post


@pytest.fixture(name="split", scope="session")
def _split():
    return split


@pytest.fixture(name="load", scope="session")
def _load():
    return Load
