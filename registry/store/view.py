"""What the controller saw last, for `geometry status`: a view, replaced every turn, never a source."""

import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.domain.documents import Fields, canonical_bytes, timestamp
from registry.domain.errors import InvalidDocument
from registry.domain.observation import Observation
from registry.domain.state import State
from registry.domain.verdict import Verdict
from registry.domain.version import Model
from registry.store.home import Home


def _path(home: Home, model: Model) -> Path:
    return home.run / "views" / f"{model}.json"


def write_view(
    home: Home, state: State, seen: Observation, verdict: Verdict | None, *, now: datetime, problem: str | None = None
) -> None:
    """Replace the view of a model. Not forced to disk: after a crash the next turn writes another one."""
    document = {
        "time": timestamp(now),
        "sequence": state.head.sequence,
        "problem": problem,
        "weights": dict(seen.route.weights) if seen.route else None,
        "revisions": {
            version: {"ready": revision.ready, "restarts": revision.restarts, "digest": revision.digest}
            for version, revision in seen.revisions.items()
        },
        "verdict": {**asdict(verdict), "numbers": dict(verdict.numbers)} if verdict else None,
    }
    path = _path(home, state.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_bytes(canonical_bytes(document))
    aside.replace(path)


def read_view(home: Home, model: Model) -> dict[str, Any]:
    """The last view; empty where there is none."""
    try:
        return dict(Fields.parse(_path(home, model).read_bytes(), "view").document)
    except (FileNotFoundError, InvalidDocument):
        return {}


def forget_views(home: Home) -> None:
    """Remove what an earlier controller saw."""
    for path in (home.run / "views").glob("*"):
        path.unlink()
