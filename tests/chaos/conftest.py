"""A whole installation as its user has it: the `geometry` command, its controller, Envoy and real predictors."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.adapters.local.envoy import Ports
from registry.adapters.local.revision import free_port
from registry.adapters.local.state import read_state
from registry.domain.fold import fold
from registry.domain.state import State
from registry.domain.version import Model
from registry.store.home import Home
from tests.fixtures.versions import publish_tiny
from training.traffic import Tally, flowing, shots

GEOMETRY = str(Path(sys.executable).with_name("geometry"))
SHAPES = Model("shapes")
RATE = 30.0
"""Requests a second; two tiny nets and this process share the machine."""

NO_TRACKING = 'raise ImportError("left out of this installation")\n'
"""In the place of MLflow, whose imports would take more of the machine than everything else together."""

POLICY = """\
schema: 1
serving: {{minReplicas: 1}}
rollout:
  steps: [{steps}]
  beta: 0.5
  floors: {{errors: 0.2}}
"""


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Look again and again until the condition holds; fail when it does not within the time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not after {seconds:g} s"
        pause(0.05)


def pause(seconds: float) -> None:
    """Let so much time go by: a kill comes at a moment, not at a state."""
    threading.Event().wait(seconds)


class Installation:
    """`home` on free ports, driven by commands in processes of their own."""

    def __init__(self, root: Path, *, steps: str, tracking: bool) -> None:
        self.root = root
        self.home = Home(root / ".geometry")
        self.ports = Ports(public=free_port(), pinned=free_port(), admin=free_port())
        self.url = f"http://127.0.0.1:{self.ports.public}"
        self.home.root.mkdir(parents=True)
        self.home.policy.write_text(POLICY.format(steps=steps))
        self.environment = {**os.environ, "GEOMETRY_HOME": str(self.home.root)}
        if not tracking:
            without = root / "without"
            without.mkdir()
            (without / "mlflow.py").write_text(NO_TRACKING)
            paths = [str(without), *filter(None, [os.environ.get("PYTHONPATH")])]
            self.environment["PYTHONPATH"] = os.pathsep.join(paths)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command under way."""
        return subprocess.Popen(
            [GEOMETRY, *arguments],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def geometry(self, *arguments: str) -> str:
        """The output of a command that must succeed."""
        process = self.start(*arguments)
        output, told = process.communicate(timeout=100)
        assert process.returncode == 0, f"geometry {' '.join(arguments)}: exit {process.returncode}\n{told}"
        return output

    def up(self) -> None:
        ports = ("--port", self.ports.public, "--pinned-port", self.ports.pinned, "--admin-port", self.ports.admin)
        self.geometry("local", "up", *map(str, ports))

    def down(self) -> None:
        self.geometry("local", "down")

    def publish(self) -> str:
        """The next version: as good as the others, under class names in the other order."""
        count = len(self.home.versions().versions(SHAPES))
        return str(publish_tiny(self.home.root, flip=bool(count % 2)).version)

    def promotion(self, version: str) -> tuple[str, ...]:
        return ("promote", version, "--to", "production", "--yes", "--wait", "--timeout", "90")

    def status(self) -> dict[str, object]:
        """`geometry status`, which must succeed whatever happened."""
        return json.loads(self.geometry("status", "-o", "json"))

    def pids(self, version: str | None = None) -> dict[str, int]:
        """Living processes by role: controller, envoy, canary (`version`), stable (the other one)."""
        state = read_state(self.home.root)
        if state is None:
            return {}
        found = {"controller": state.controller, "envoy": state.envoy}
        for revision in (revision for revision in state.revisions if not revision.staging):
            found["canary" if revision.version == version else "stable"] = revision.pid
        return {role: pid for role, pid in found.items() if pid}

    def processes(self) -> dict[int, str]:
        """Every process that names this home in its command line or has it in its environment."""
        name = str(self.home.root).encode()
        found = {}
        for path in Path("/proc").iterdir():
            try:
                command = (path / "cmdline").read_bytes()
                if command and (name in command or name in (path / "environ").read_bytes()):
                    found[int(path.name)] = command.replace(b"\0", b" ").decode(errors="replace")
            except (OSError, ValueError):
                continue  # no process, or gone meanwhile
        return found

    def check_journal(self) -> None:
        """The journal verifies from its first entry on, and from the first promotion on one version is production."""
        state, promoted = State(SHAPES), False
        for entry in self.home.journal_of(SHAPES).read():
            state = fold(SHAPES, [entry], state=state)
            promoted = promoted or state.production is not None
            stages = [version.version for version in state.versions.values() if version.stage == "production"]
            assert stages == ([state.production] if promoted else []), f"after entry {entry.sequence}"

    def entries(self) -> int:
        """How many entries the journal has."""
        return len(self.home.journal_of(SHAPES).read())

    def check_serving(self, version: str) -> None:
        """The version is in production, and has every live request."""
        found = self.status()
        assert found["production"] == version
        assert {name: weight for name, weight in found["seen"]["weights"].items() if weight} == {version: 100}

    @contextmanager
    def traffic(self, rate: float = RATE) -> Iterator[Tally]:
        with flowing(self.url, shots(self.url, SHAPES, seed=1, count=4), rate=rate) as tally:
            yield tally

    def end(self) -> None:
        """After the tests: nothing of it stays, whatever they left."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


@contextmanager
def running(root: Path, *, steps: str, tracking: bool = False) -> Iterator[Installation]:
    """An installation with version 1 in production. tracking: with MLflow, which follows the journal."""
    made = Installation(root, steps=steps, tracking=tracking)
    try:
        made.publish()
        made.up()
        made.geometry(*made.promotion("1"))
        yield made
        made.down()
        assert made.processes() == {}
    finally:
        made.end()


# Tests know this file by fixtures alone: with --import-mode=importlib it has no name to import it by.
@pytest.fixture(name="running", scope="session")
def _running():
    return running


@pytest.fixture(name="wait_until", scope="session")
def _wait_until():
    return wait_until


@pytest.fixture(name="pause", scope="session")
def _pause():
    return pause
