"""The `status` of a Promotion, an Approval and a Model: what the journal says of them, as their schemas have it.

A status is a view. A field that does not apply is absent; `since` keeps the time at which a condition changed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from registry.domain.documents import timestamp
from registry.domain.drift_record import highest
from registry.domain.journal import Anchor, Entry, Kind
from registry.domain.objects import anchor_text
from registry.domain.observation import Observation
from registry.domain.progress import Phase, Progress
from registry.domain.state import State, release
from registry.domain.version import Version, revision_name

ACCEPTED, COMPLETE, SUCCEEDED = "Accepted", "Complete", "Succeeded"
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"

CONDITIONS: Mapping[Phase, tuple[str, str, str]] = {
    Phase.PENDING: (UNKNOWN, FALSE, UNKNOWN),
    Phase.STAGING: (UNKNOWN, FALSE, UNKNOWN),
    Phase.PROGRESSING: (TRUE, FALSE, UNKNOWN),
    Phase.PAUSED: (TRUE, FALSE, UNKNOWN),
    Phase.GUARDING: (TRUE, TRUE, UNKNOWN),
    Phase.SUCCEEDED: (TRUE, TRUE, TRUE),
    Phase.REFUSED: (FALSE, TRUE, FALSE),
    Phase.ROLLED_BACK: (TRUE, TRUE, FALSE),
    Phase.ABORTED: (TRUE, TRUE, FALSE),
    Phase.EXPIRED: (TRUE, TRUE, FALSE),
    Phase.FAILED: (FALSE, TRUE, FALSE),
}
"""Accepted, Complete and Succeeded in each phase."""

MESSAGE = 1024
"""Characters of a message; the journal has all of it."""

UNTOLD = (Kind.EVIDENCE, Kind.LABELLED, Kind.REQUESTED, Kind.DRIFT)
"""Entries that decide nothing."""


def promotion_status(
    progress: Progress, *, generation: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """How far a Promotion got. before: the status that it has, from which unchanged conditions keep their time."""
    verdict = progress.verdict
    shown = {
        "phase": progress.phase.value,
        "step": f"{progress.step}/{progress.steps}" if progress.steps else None,
        "weight": progress.weight,
        "weights": {revision_name(Version(name)): weight for name, weight in progress.weights.items()} or None,
        "verdict": verdict
        and {
            "kind": verdict.outcome,
            "reason": verdict.reason,
            "time": timestamp(verdict.time),
            "signals": {name: dict(numbers) for name, numbers in verdict.signals.items()},
        },
        "message": progress.message[:MESSAGE],
        "sequence": progress.asked.sequence,
        "digest": progress.digest,
        "started": progress.started and timestamp(progress.started),
        "ended": progress.ended and timestamp(progress.ended),
        "observedGeneration": generation,
        "conditions": _conditions(progress.phase, progress.message, _values(progress), before, now),
    }
    return {key: value for key, value in shown.items() if value is not None}


def declined_status(reason: str, *, generation: int, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Of a Promotion that is never taken: no journal entry speaks of it."""
    return {
        "phase": Phase.REFUSED.value,
        "message": reason[:MESSAGE],
        "observedGeneration": generation,
        "conditions": _conditions(Phase.REFUSED, reason, CONDITIONS[Phase.REFUSED], before, now),
    }


def approval_status(progress: Progress) -> dict[str, Any]:
    """Of an Approval; nothing while it waits."""
    if progress.phase is Phase.PENDING:
        return {}
    taken = progress.phase is Phase.SUCCEEDED
    said = {"phase": "Recorded", "message": "counts"} if taken else declined_approval(progress.message)
    return {**said, "sequence": progress.asked.sequence}


def declined_approval(reason: str) -> dict[str, Any]:
    """Of an Approval that counts for nothing."""
    return {"phase": "Refused", "message": reason[:MESSAGE]}


def _values(progress: Progress) -> tuple[str, str, str]:
    accepted, *others = CONDITIONS[progress.phase]
    withdrawn = progress.phase is Phase.ABORTED and not progress.accepted
    return (FALSE if withdrawn else accepted, others[0], others[1])


def _conditions(
    phase: Phase, message: str, values: Sequence[str], before: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    """One condition of each type; one whose status is as it was keeps its time."""
    known = {found.get("type"): found for found in before.get("conditions") or ()}
    return [
        {
            "type": name,
            "status": value,
            "reason": phase.value,
            "message": message[:MESSAGE],
            "lastTransitionTime": known[name]["lastTransitionTime"]
            if known.get(name, {}).get("status") == value
            else now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for name, value in zip((ACCEPTED, COMPLETE, SUCCEEDED), values, strict=True)
    ]


def model_status(
    state: State,
    entries: Sequence[Entry],
    observation: Observation,
    anchor: Anchor | None,
    drift: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The view of a model. anchor: the entry last acted upon, as it was found in the cluster. drift: as in `Told`."""
    wanted, rollout, staging = release(state), state.rollout, state.staging
    canary = wanted.canaries[0].version if wanted.canaries else None
    canary = rollout.version if rollout is not None else canary
    decided = next((entry for entry in reversed(entries) if entry.kind not in UNTOLD), None)

    def revision(version: Version | None) -> dict[str, Any] | None:
        if version is None:
            return None
        seen = observation.revisions.get(version)
        weight = {} if version == staging and version != canary else {"weight": wanted.weights.get(version, 0)}
        ready = {"ready": seen.pods if seen.ready else 0} if seen is not None else {}
        return {"version": version, "digest": state.version(version).digest, **weight, **ready}

    shown = {
        "production": revision(state.production),
        "canary": revision(canary),
        "staging": revision(staging),
        "decision": decided
        and {
            "kind": decided.kind.value,
            "reason": str(decided.data.get("reason") or "")[:MESSAGE],
            "sequence": decided.sequence,
            "time": timestamp(decided.time),
        },
        "drift": (drift and highest(drift)) or None,
        "anchor": anchor and anchor_text(anchor),
    }
    return {key: value for key, value in shown.items() if value is not None}
