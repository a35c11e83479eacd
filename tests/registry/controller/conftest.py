"""A controller over a signed store, predictors without a model, and a real Envoy; tests take its turns."""

import http.client
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.adapters.local.envoy import Ports
from registry.adapters.local.revision import Program, free_port
from registry.adapters.local.substrate import LocalSubstrate
from registry.controller.loop import Controller
from registry.domain.fold import fold
from registry.domain.journal import Entry
from registry.domain.policy import Serving
from registry.domain.state import State
from registry.domain.version import Model
from registry.manifests import read_templates
from registry.store.filing import file_request
from registry.store.home import Home
from registry.store.view import read_view
from tests.fixtures.versions import publish_tiny

SHAPES = Model("shapes")
FAKE = Path(__file__).parents[2] / "fixtures" / "fake_predictor.py"
PACE = 4
"""How many times faster the controller's clock goes than the wall's."""

POLICY = """\
schema: 1
serving: {minReplicas: 1}
checklist: [{check: latency, required: false}]
rollout:
  steps: [{weight: 50, soak: 1}]
  beta: 0.5
  floors: {errors: 0.2, latency: 0.2, refused: 0.2, low_confidence: 0.2}
  warmup: 1
"""


class Clock:
    """UTC, in a hurry."""

    def __init__(self) -> None:
        self._start, self._began = datetime.now(UTC), time.monotonic()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=PACE * (time.monotonic() - self._began))


class Installation:
    """Home, ports and a clock that outlive its controllers."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.ports = Ports(public=free_port(), pinned=free_port(), admin=free_port())
        self.now = Clock()
        self.home.root.mkdir(exist_ok=True)
        self.home.policy.write_text(POLICY)
        publish_tiny(root)
        self.start()

    def start(self) -> None:
        """A controller that knows nothing but what is on disk."""
        command = (sys.executable, "-I", "-S", str(FAKE))
        substrate = LocalSubstrate(
            home=self.home.root,
            program=Program(command, self.home.store, self.home.keys, self.home.run / "logs"),
            ports=self.ports,
            templates=read_templates(),
            serving=Serving(),
            drain=timedelta(seconds=0.1),
        )
        substrate.start(self.now())
        self.controller = Controller(self.home, substrate, now=self.now)

    def stop(self) -> None:
        self.controller.substrate.stop(self.now())

    def restart(self) -> None:
        self.stop()
        self.start()

    def until(self, condition: Callable[[], object], *, seconds: float = 60) -> None:
        """Turns until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not in time; entries: {self.kinds()}, view: {self.view()}"
            self.controller.turn()

    def promote(self, version: str, to: str = "production") -> None:
        self.request("promote", version=version, to=to)

    def request(self, action: str, **more: str) -> None:
        request = {"id": f"{action}-{more.get('version')}", "action": action, **more}
        file_request(self.home.journal_of(SHAPES), request, by="somebody", now=self.now())

    def first(self) -> None:
        """Version 1 in production, with all requests."""
        self.until(lambda: "1" in self.state().versions)
        self.promote("1")
        self.until(lambda: self.weights() == {"1": 100} and self.state().production == "1")

    def second(self, **changes: object) -> None:
        """Version 2 published and asked for."""
        publish_tiny(self.home.root, flip=True, **changes)
        self.until(lambda: "2" in self.state().versions)
        self.promote("2")

    def entries(self) -> tuple[Entry, ...]:
        return self.home.journal_of(SHAPES).read()

    def kinds(self) -> list[str]:
        return [entry.kind.value for entry in self.entries()]

    def last(self, kind: str) -> Entry:
        return next(entry for entry in reversed(self.entries()) if entry.kind == kind)

    def state(self) -> State:
        return fold(SHAPES, self.entries())

    def view(self) -> dict[str, object]:
        return read_view(self.home, SHAPES)

    def problem(self) -> str:
        return str(self.view().get("problem") or "")

    def weights(self) -> dict[str, int]:
        weights = self.view().get("weights") or {}
        return {version: weight for version, weight in weights.items() if weight}

    def child(self, version: str) -> object:
        """The supervised process of a version."""
        return self.controller.substrate._revisions[f"shapes-v{version}-predictor"].child

    def ask(self) -> tuple[int, bytes]:
        """One prediction on the live route."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports.public, timeout=20)
        try:
            connection.request("POST", "/v1/models/shapes:predict", body=b"image")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Traffic:
    """Requests one after another as long as the block lasts; `answered` counts them by status."""

    def __init__(self, installation: Installation) -> None:
        self.answered: dict[int, int] = {}
        self._installation = installation
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            try:
                status = self._installation.ask()[0]
            except (OSError, http.client.HTTPException):
                status = 0
            self.answered[status] = self.answered.get(status, 0) + 1


@pytest.fixture
def installation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Installation]:
    caplog.set_level(logging.INFO)
    made = Installation(tmp_path / "home")
    yield made
    made.stop()


@pytest.fixture
def served(installation: Installation) -> Installation:
    installation.first()
    return installation


@pytest.fixture
def traffic(installation: Installation) -> Traffic:
    return Traffic(installation)
