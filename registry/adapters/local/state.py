"""`run/local.json`: processes, ports and addresses of a local installation, for `geometry local status`.

Written by the controller alone, atomically; a file that a killed controller left names a process that is gone.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from registry.domain.documents import Fields, canonical_bytes
from registry.store import durable

STATE = Path("run") / "local.json"


@dataclass(frozen=True)
class RevisionState:
    """One predictor process. pid: None while it waits for its next start."""

    model: str
    version: str
    revision: str
    staging: bool
    digest: str
    pid: int | None
    http: int
    grpc: int
    ready: bool
    restarts: int
    log: str


@dataclass(frozen=True)
class LocalState:
    """Envoy and the revisions. envoy: its process id. The others: base addresses; metrics: the controller's own, as
    text for Prometheus."""

    envoy: int | None
    public: str
    pinned: str
    admin: str
    revisions: tuple[RevisionState, ...]
    controller: int = 0
    metrics: str = ""


def write_state(home: Path, state: LocalState) -> None:
    """Replace the file when something changed; the controller is this process."""
    path = home / STATE
    content = canonical_bytes({**asdict(state), "controller": os.getpid()})
    if not path.exists() or path.read_bytes() != content:
        durable.make_directory(path.parent)
        durable.replace(path, content)


def read_state(home: Path) -> LocalState | None:
    """The state while its controller lives, else None. Raises InvalidDocument for a damaged file."""
    path = home / STATE
    if not path.exists():
        return None
    fields = Fields.parse(path.read_bytes(), str(path))
    found: Mapping[str, Any] = fields.document
    if not _lives(fields.integer("controller", minimum=1)):
        return None
    revisions = tuple(RevisionState(**item.document) for item in fields.objects("revisions"))
    return LocalState(**{**found, "revisions": revisions})


def forget_state(home: Path) -> None:
    """Remove the file at an orderly end."""
    (home / STATE).unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
