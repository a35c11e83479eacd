"""What the controller saw last, for `geometry status`: a view, replaced every turn, never a source.

{time, sequence, problem, awaited, weights: {version: percent} or null,
 revisions: {version: {ready, restarts, digest, traffic: null or the fields of `registry.domain.traffic.Traffic`}},
 verdict: null or {outcome, reason, message, numbers},
 drift: null or what `registry.domain.drift_report` describes}
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from registry.domain.awaited import awaited
from registry.domain.documents import Fields, canonical_bytes, timestamp
from registry.domain.errors import InvalidDocument
from registry.domain.observation import Observation
from registry.domain.state import State
from registry.domain.traffic import Traffic
from registry.domain.verdict import Verdict
from registry.domain.version import Model, Version
from registry.store.home import Home


def _path(home: Home, model: Model) -> Path:
    return home.run / "views" / f"{model}.json"


def write_view(
    home: Home,
    state: State,
    seen: Observation,
    verdict: Verdict | None,
    *,
    now: datetime,
    traffic: Mapping[Version, Traffic] = MappingProxyType({}),
    problem: str | None = None,
    drift: Mapping[str, Any] | None = None,
) -> None:
    """Replace the view of a model. Not forced to disk: after a crash the next turn writes another one."""
    document = {
        "time": timestamp(now),
        "sequence": state.head.sequence,
        "problem": problem,
        "awaited": awaited(state, seen, verdict, now=now)
        if problem is None
        else "what stopped the controller is mended",
        "weights": dict(seen.route.weights) if seen.route else None,
        "revisions": {
            version: {
                "ready": revision.ready,
                "restarts": revision.restarts,
                "digest": revision.digest,
                "traffic": asdict(traffic[version]) if version in traffic else None,
            }
            for version, revision in seen.revisions.items()
        },
        "drift": drift,
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
