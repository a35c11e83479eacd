"""What objects ask for, and the journal entries that take it: a Promotion or an Approval is taken once, by its uid.

asked objects, ledger ──► drafts(…)      `requested` entries of what is new: requests, controls, deletions
                     └──► declined(…)    why an object is never taken
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from registry.domain.documents import timestamp
from registry.domain.errors import InvalidDocument
from registry.domain.journal import Anchor, Draft, Entry, Kind
from registry.domain.observation import Observation
from registry.domain.plan import StepPlan
from registry.domain.policy import parse_steps
from registry.domain.progress import IN_PROGRESS, RUNNING, Ledger
from registry.domain.state import State
from registry.domain.turn import CONTROLLER, Memory
from registry.domain.version import Model, model_name

PROMOTION, APPROVAL = "Promotion", "Approval"
ADOPT = "adopt"
ASKED = ("version", "to", "base", "weight", "seconds", "sourceStage", "force", "reason")
"""Fields of a Promotion's `spec` that a `requested` entry has as they are."""


@dataclass(frozen=True)
class Told:
    """What is known of a model at the end of a turn. memory: what it leaves to the next one. drift: as
    `registry.domain.drift_report` has it, None while nothing is watched."""

    state: State
    entries: Sequence[Entry]
    ledger: Ledger
    observation: Observation
    anchor: Anchor | None
    now: datetime
    memory: Memory = field(default_factory=Memory)
    drift: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Asking:
    """One object that asks for something, as it was seen. leaving: it is being deleted. ended: its status says that it
    was refused or is over."""

    kind: str
    uid: str
    name: str
    created: datetime
    generation: int = 1
    spec: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    leaving: bool = False
    ended: bool = False

    @property
    def model(self) -> Model:
        """Raises InvalidName for what no journal is of."""
        return model_name(str(self.spec.get("model", "")))


def drafts(askings: Sequence[Asking], ledger: Ledger, *, adopting: bool = False) -> tuple[Draft, ...]:
    """`requested` entries for what objects of one model ask and the journal does not know yet, the oldest first.

    askings: all there are; what was taken from an object that is no longer there, and goes on, is aborted. adopting:
    only requests to adopt, as the journal is not the one that was acted upon.
    """
    new = [
        _taken(asking)
        for asking in sorted(askings, key=lambda found: (found.created, found.name))
        if asking.uid not in ledger.requests
        and declined(asking, ledger) is None
        and not (asking.ended or asking.leaving)
        and (not adopting or asking.spec.get("action") == ADOPT)
    ]
    return tuple(new) if adopting else (*new, *_controls(askings, ledger), *_deleted(askings, ledger))


def declined(asking: Asking, ledger: Ledger) -> str | None:
    """Why an object that the journal does not know is never taken; None where it may be."""
    if asking.uid in ledger.requests:
        return None
    if ledger.since is not None and asking.created <= ledger.since:
        when = timestamp(ledger.since)
        return f"was created before the journal was adopted or restored at {when}; look at it, then create it anew"
    try:
        _steps(asking)
    except InvalidDocument as error:
        return str(error)
    return None


def _taken(asking: Asking) -> Draft:
    """Who asks was checked by the API server: `requestedBy` and `by` are the caller's own names there."""
    spec, origin = asking.spec, {"object": f"{asking.kind} {asking.name}", "authenticated": True}
    if asking.kind == APPROVAL:
        by, what = str(spec["by"]), {key: spec[key] for key in ("version", "digest", "reason") if key in spec}
        data = {"id": asking.uid, "action": "approve", "to": "", "reason": "", **what, "model": spec["model"]}
        return Draft(Kind.REQUESTED, by, {**data, **origin, "requestedBy": by})
    by, what = str(spec["requestedBy"]), {key: spec[key] for key in ASKED if key in spec}
    data = {"id": asking.uid, "action": spec["action"], "version": None, "to": "", "reason": "", **what}
    own = {"callerId": spec["id"]} if spec.get("id") else {}
    steps = _steps(asking)
    planned = {"steps": [step.document() for step in steps]} if steps else {}
    return Draft(Kind.REQUESTED, by, {**data, **own, **planned, **origin, "model": spec["model"], "requestedBy": by})


def _steps(asking: Asking) -> tuple[StepPlan, ...]:
    """Raises InvalidDocument."""
    if not asking.spec.get("steps"):
        return ()
    steps = parse_steps(asking.spec["steps"], where=f"{asking.kind} {asking.name}: spec")
    return tuple(StepPlan(step.weight, step.soak, step.mirror) for step in steps)


def _controls(askings: Sequence[Asking], ledger: Ledger) -> Iterator[Draft]:
    """Pause and resume are heard once the rollout began, abort at once; each change of an object once."""
    for asking in askings:
        control, progress = asking.spec.get("control"), ledger.requests.get(asking.uid)
        if not control or progress is None or asking.leaving or f"{asking.uid}.{asking.generation}" in ledger.requests:
            continue
        if progress.phase in (IN_PROGRESS if control["action"] == "abort" else RUNNING):
            reason = str(control.get("reason") or "")
            yield _control(asking.uid, str(asking.generation), control["action"], str(control["by"]), reason)


def _deleted(askings: Sequence[Asking], ledger: Ledger) -> Iterator[Draft]:
    there: Collection[str] = {asking.uid for asking in askings if not asking.leaving}
    for uid, progress in ledger.requests.items():
        origin = str(progress.asked.data.get("object", ""))
        gone = origin.startswith(f"{PROMOTION} ") and uid not in there
        if gone and progress.phase in IN_PROGRESS and f"{uid}.deleted" not in ledger.requests:
            yield _control(uid, "deleted", "abort", CONTROLLER, f"{origin} was deleted")


def _control(uid: str, which: str, action: str, by: str, reason: str) -> Draft:
    data = {"id": f"{uid}.{which}", "action": action, "version": None, "to": "", "reason": reason, "promotion": uid}
    return Draft(Kind.REQUESTED, by, {**data, "requestedBy": by, "authenticated": by != CONTROLLER})
