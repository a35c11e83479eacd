"""One running revision: its process, its ports, and what it answers about itself."""

import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from registry.adapters.local.envoy import LIVE, LOOPBACK, PINNED, Backend
from registry.adapters.local.processes import Child
from registry.adapters.local.workloads import Workload
from registry.domain.errors import Unreachable
from registry.domain.observation import ObservedRevision

PATIENCE = 3
"""Probes in a row that may go unanswered while the process lives, as a kubelet's failureThreshold."""

HUNG = timedelta(seconds=60)
"""A process that was ready, lives, and has not been ready for so long is killed and started again."""

STARTING = timedelta(seconds=600)
"""The same for one that has not been ready yet, as a startup probe's: killed earlier, a slow start would never end."""

_PORTS = range(20_000, 32_000)

_DIGEST_HEADER = "x-model-digest"
_DIGEST_METRIC = re.compile(r'^ml_geometry_model_info\{[^}]*digest="([0-9a-f]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """How a predictor is started: the command that precedes the flags, store, trust list, and where logs go."""

    command: tuple[str, ...]
    store: Path
    trust: Path
    logs: Path


class RevisionProcess:
    """A workload as a supervised process on two loopback ports."""

    def __init__(self, workload: Workload, program: Program, client: httpx.Client) -> None:
        self.workload = workload
        self.http = 0
        self.grpc = 0
        self.ready = False
        self.digest: str | None = None
        self.verified = False
        self.idle_since: datetime | None = None
        self.unready_since: datetime | None = None
        self._program = program
        self._client = client
        self._unanswered = 0
        self._ready_once: int | None = None
        self.child = Child(workload.service, self._command, logs=program.logs, environment=dict(workload.environment))

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.http}"

    @property
    def backend(self) -> Backend:
        """Its clusters at Envoy; a staging revision gets no live traffic and has no live cluster."""
        purposes = (PINNED,) if self.workload.staging else (LIVE, PINNED)
        return Backend(self.workload.service, self.http, self.grpc, purposes)

    def observed(self) -> ObservedRevision:
        return ObservedRevision(
            version=self.workload.version,
            ready=self.ready,
            digest=self.digest,
            restarts=max(self.child.restarts, 0),
            unready_since=self.unready_since,
        )

    def probe(self, now: datetime) -> None:
        """Ask readiness and digest. Busy, it may be silent `PATIENCE` times; a refused connection counts at once."""
        answered = self._answers_ready()
        self._unanswered = self._unanswered + 1 if answered is None else 0
        if answered:
            self._ready_once = self.child.pid
            self.digest = self._ask_digest() or self.digest
            self.verified = self.verified or self.digest == self.workload.digest
        self.ready = answered if answered is not None else self.ready and self._unanswered < PATIENCE
        self.unready_since = None if self.ready else self.unready_since or now

    def supervise(self, now: datetime) -> None:
        """Start the process when that is due, also in place of one that hangs."""
        started, unready = self.child.started, self.unready_since
        patience = HUNG if self._ready_once == self.child.pid else STARTING
        if started and unready and now - max(started, unready) > patience:
            self.child.kill()
        self.child.step(now)

    def _answers_ready(self) -> bool | None:
        """True or False as answered; False also when nobody listens, None for silence."""
        try:
            return self._client.get(f"{self.url}/v2/models/{self.workload.model}/ready").is_success
        except httpx.ConnectError:
            return False
        except httpx.HTTPError:
            return None

    def _ask_digest(self) -> str | None:
        try:
            answer = self._client.get(f"{self.url}/v2/models/{self.workload.model}")
            if answer.is_success and _DIGEST_HEADER in answer.headers:
                return answer.headers[_DIGEST_HEADER]
            found = _DIGEST_METRIC.search(self._client.get(f"{self.url}/metrics").text)
        except httpx.HTTPError:
            return None
        return found.group(1) if found else None

    def _command(self) -> Sequence[str]:
        """Asked at every start: ports stay unless something else took them meanwhile."""
        self.http = self.http if is_free(self.http) else free_port()
        self.grpc = self.grpc if is_free(self.grpc) else free_port()
        program, workload = self._program, self.workload
        return [
            *program.command,
            *("--model_dir", str(program.store / workload.directory), "--trust", str(program.trust)),
            *("--host", LOOPBACK, "--http_port", str(self.http), "--grpc_port", str(self.grpc)),
            *workload.arguments,
        ]


def free_port() -> int:
    """A loopback port that nobody listens on now; raises Unreachable when none of many tried is free.

    It is none of those that systems give to outgoing connections, which could take it before it is opened.
    """
    for _ in range(1000):
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
    raise Unreachable(f"no free port found between {_PORTS.start} and {_PORTS.stop}; end what listens there")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now; 0 is no port."""
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
    return True
