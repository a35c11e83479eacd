"""A throw-away installation of tiny versions, some with a fault, and the commands that a user types at it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from registry.adapters.local.envoy import weights
from registry.adapters.local.proxy import Proxy
from registry.adapters.local.revision import free_port
from registry.domain.card import Reference
from registry.domain.version import model_name
from tests.fixtures.versions import publish_tiny

ROOT = Path(__file__).parents[2]
CONTROLLER = ROOT / "tests" / "fixtures" / "bad_controller.py"
MODEL = "shapes"

POLICY = """\
schema: 1
serving: {minReplicas: 1}
checklist: [{check: latency, required: false}]
rollout:
  steps: [{weight: 10, soak: 3}, {weight: 50, soak: 3}]
  warmup: 3
  rollbackWindow: 5
"""
"""Latency is not asked for in staging: two of the faults would end there."""

LOOK = 0.05
"""Seconds between two looks at Envoy's routes."""

PATIENCE = 180.0
"""Seconds that anything may take here."""


@dataclass(frozen=True)
class Outcome:
    """What a scene was to show, whether it did, and what it says."""

    name: str
    right: bool
    said: str


def tell(text: str) -> None:
    """Progress, before what commands print."""
    print(f"\n{text}", file=sys.stderr, flush=True)


class Installation:
    """Its home, and where its live traffic goes."""

    def __init__(self, home: Path, url: str, admin: int) -> None:
        self.home, self.url, self._admin = home, url, admin

    def publish(self, version: str, **fault: float) -> None:
        """A version that the checklist passes; the fault lies beside it, as the version itself must not change."""
        store = self.home / "store" / "models" / MODEL
        store.mkdir(parents=True, exist_ok=True)
        if fault:
            (store / f"{version}.json").write_text(json.dumps(fault))
        publish_tiny(self.home, version=version)
        self.until(lambda: version in {row["version"] for row in self.read("models", "list", "-o", "json")})

    def geometry(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> int:
        """Run a command as a user would see it; returns its exit code, which must be one of `codes`."""
        print(f"$ geometry {' '.join(arguments)}", file=sys.stderr, flush=True)
        code = subprocess.run(self._command(*arguments), check=False).returncode
        if code not in codes:
            raise RuntimeError(f"geometry {' '.join(arguments)} ended with exit code {code}, wanted {codes}")
        return code

    def read(self, *arguments: str, given: str = "") -> Any:
        """What a command prints. given: on its standard input."""
        ran = subprocess.run(self._command(*arguments), check=True, stdout=subprocess.PIPE, input=given.encode())
        return json.loads(ran.stdout)

    def status(self) -> dict[str, Any]:
        return dict(self.read("status", "-m", MODEL, "-o", "json"))

    def last(self, *kinds: str) -> dict[str, Any]:
        """The newest journal entry of these kinds."""
        entries = self.read("history", "-m", MODEL, "-o", "json")
        return next(dict(entry) for entry in reversed(entries) if entry["kind"] in kinds)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"not in {PATIENCE:.0f} s; status: {self.status()}")
            time.sleep(0.5)

    @contextmanager
    def routed(self) -> Iterator[list[tuple[datetime, dict[str, int]]]]:
        """Weights as Envoy applied them while the block lasts, each with when it was first seen."""
        seen: list[tuple[datetime, dict[str, int]]] = []
        ended, proxy = threading.Event(), Proxy(self._admin)

        def look() -> None:
            while not ended.wait(LOOK):
                applied = proxy.applied()
                found = dict(weights(applied.live, model_name(MODEL))) if applied else {}
                if found and (not seen or seen[-1][1] != found):
                    seen.append((datetime.now(UTC), found))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield seen
        finally:
            ended.set()
            looking.join()
            proxy.close()

    def _command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name("geometry")), *arguments, "--home", str(self.home)]


@contextmanager
def running(
    *, controller: Path = CONTROLLER, policy: str = POLICY, reference: Reference | None = None
) -> Iterator[Installation]:
    """Version 1 in production, nobody asking; everything ends with the block. reference: its card's."""
    with TemporaryDirectory(prefix="demo-bad-") as folder:
        home, port = Path(folder) / "home", free_port()
        home.mkdir()
        (home / "policy.yaml").write_text(policy)
        publish_tiny(home, version="1", reference=reference)
        log = Path(folder) / "controller.log"
        admin = free_port()
        ports = ["--public-port", str(port), "--pinned-port", str(free_port()), "--admin-port", str(admin)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(controller), "--home", str(home), *ports],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        made = Installation(home, f"http://127.0.0.1:{port}", admin)
        try:
            made.until(lambda: (home / "run").exists() and "production" in made.status())
            made.geometry("promote", "1", "--to", "production", "--yes", "--wait", "--timeout", "120")
            made.until(lambda: made.status()["rollbackWindow"] is None)
            yield made
        finally:
            process.terminate()
            process.wait(60)
            if sys.exc_info()[0] is not None:
                print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
