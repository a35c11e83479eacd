"""How versions leave: archived first, deleted later, and never while anything may send requests to them.

The controller answers with one entry; the store is pruned after that entry is recorded, by whoever reads it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from registry.domain.errors import NotFound, Refused
from registry.domain.journal import Draft, Kind
from registry.domain.stages import Stage, check_transition
from registry.domain.state import Request, State, VersionState
from registry.domain.turn import CONTROLLER
from registry.domain.version import Version

ARCHIVE, DELETE = "archive", "delete"


def check_archivable(state: State, version: Version) -> None:
    """Raise Refused or NotFound unless the version may be archived now."""
    found = _existing(state, version)
    if found.stage is Stage.PRODUCTION:
        raise Refused(f"version {version} is in production; first `geometry rollback`, or promote another")
    if state.rollout is not None and state.rollout.version == version:
        raise Refused(f"version {version} is under rollout; wait for it, or end it with `geometry abort`")
    if found.stage is Stage.ARCHIVED:
        raise Refused(
            f"version {version} is archived already; `geometry models delete {version} --reason …` removes its files"
        )
    check_transition(found.stage, Stage.ARCHIVED)


def check_deletable(state: State, version: Version) -> None:
    """Raise Refused or NotFound unless the version's files may be deleted now."""
    found = _existing(state, version)
    if found.stage is not Stage.ARCHIVED:
        raise Refused(
            f"version {version} is in {found.stage}; only archived versions are deleted: "
            f"`geometry models archive {version} --reason …` first"
        )
    if state.rollout is not None and state.rollout.version == version:
        raise Refused(f"version {version} is under rollout; wait for it, or end it with `geometry abort`")
    if state.guarding is not None and state.guarding.previous == version:
        raise Refused(
            f"version {version} waits in the rollback window of {state.guarding.version}; delete it when that is over: "
            "`geometry status` says when"
        )


def _existing(state: State, version: Version) -> VersionState:
    found = state.version(version)
    if found.deleted:
        raise Refused(f"version {version} was deleted already; `geometry history` says by whom and why")
    return found


def prunable(state: State, *, now: datetime, age: timedelta) -> tuple[VersionState, ...]:
    """Versions that nothing uses or returns to and that were published `age` ago or earlier; oldest first.

    Production, the version before it, staging, and what is under rollout stay.
    """
    rollout, guarding = state.rollout, state.guarding
    kept = {state.production, state.previous, state.staging}
    kept |= {rollout.version} if rollout else set()
    kept |= {guarding.previous} if guarding else set()
    asked = {request.version for request in state.requests if request.starts}
    return tuple(
        found
        for found in sorted(state.versions.values(), key=lambda found: found.sequence)
        if not found.deleted and found.version not in kept | asked and now - found.published >= age
    )


def _archive(state: State, request: Request) -> Draft:
    return _answer(state, request, check_archivable, Kind.ARCHIVED)


def _delete(state: State, request: Request) -> Draft:
    return _answer(state, request, check_deletable, Kind.DELETED)


def _answer(state: State, request: Request, check: Callable[[State, Version], None], kind: Kind) -> Draft:
    version = Version(request.version or "")
    data: dict[str, Any] = {"request": request.id, "version": request.version, "reason": request.reason}
    try:
        check(state, version)
    except (Refused, NotFound) as error:
        return Draft(Kind.REFUSED, CONTROLLER, {**data, "reason": str(error), "to": "", "checks": []})
    return Draft(kind, request.by, {**data, "digest": state.version(version).digest})


RETIREMENTS: Mapping[str, Callable[[State, Request], Draft]] = {ARCHIVE: _archive, DELETE: _delete}
"""The one answer to a request of each action."""
