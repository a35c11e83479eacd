"""How far each request of a journal got: one phase, the step, the weights, the verdict and the last thing decided.

    Pending ─► Staging ─► Progressing ◄─► Paused      waiting, measured in staging, judged step by step
       │                      │
       │                      ├─► Guarding ─► Succeeded, RolledBack     in production, in its rollback window
       │                      └─► RolledBack, Aborted, Expired
       └─► Succeeded (asked and done), Refused, Aborted (withdrawn), Failed (lost with a journal that was restored)

Two tables say which entry leads from which phase to which; an entry that is in neither changes no phase. Terminal
phases are in no table's left side, so that they never change. A comparison whose time is over Succeeded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from registry.domain.account import ENDS, how_ended
from registry.domain.journal import Entry, Kind
from registry.domain.summary import summary


class Phase(StrEnum):
    """Where a request is."""

    PENDING = "Pending"
    STAGING = "Staging"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    GUARDING = "Guarding"
    SUCCEEDED = "Succeeded"
    REFUSED = "Refused"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    EXPIRED = "Expired"
    FAILED = "Failed"


WAITING = frozenset({Phase.PENDING, Phase.STAGING})
RUNNING = frozenset({Phase.PROGRESSING, Phase.PAUSED})
IN_PROGRESS = WAITING | RUNNING
TERMINAL = frozenset(Phase) - IN_PROGRESS - {Phase.GUARDING}

_DONE = (
    Kind.STAGED, Kind.APPROVED, Kind.PAUSED, Kind.RESUMED, Kind.ABORTED, Kind.ROLLED_BACK, Kind.ARCHIVED,
    Kind.DELETED, Kind.ADOPTED,
)  # fmt: skip
_ANSWERS: Mapping[tuple[str, Kind], Phase] = {
    ("request", Kind.REFUSED): Phase.REFUSED,
    ("request", Kind.STARTED): Phase.PROGRESSING,
    **{("request", kind): Phase.SUCCEEDED for kind in _DONE},
    ("promotion", Kind.STAGED): Phase.STAGING,
    ("promotion", Kind.ABORTED): Phase.ABORTED,
}
"""Of a request that waits: the field by which an entry names it, and the entry's kind, to the phase it has then."""

_COURSE: Mapping[tuple[Phase, Kind], Phase] = {
    **{(phase, Kind.PAUSED): Phase.PAUSED for phase in RUNNING},
    **{(phase, Kind.RESUMED): Phase.PROGRESSING for phase in RUNNING},
    **{(phase, Kind.PROMOTED): Phase.GUARDING for phase in RUNNING},
    **{(phase, Kind.ROLLED_BACK): Phase.ROLLED_BACK for phase in RUNNING},
    **{(phase, Kind.ABORTED): Phase.ABORTED for phase in RUNNING},
    **{(phase, Kind.EXPIRED): Phase.EXPIRED for phase in RUNNING},
    (Phase.GUARDING, Kind.ROLLED_BACK): Phase.ROLLED_BACK,
}
"""Of the one that has the rollout or its window. The verdict that closes the window is `_closes`."""


@dataclass(frozen=True)
class Verdict:
    """The last recorded verdict. signals: its numbers, by signal."""

    outcome: str
    reason: str
    message: str
    time: datetime
    signals: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far one request got. asked: its `requested` entry. accepted: a rollout began, or what was asked was done.

    version: what is promoted, or returned to. step: counts from 1, 0 until the version has some share. weight: percent
    of live requests that the version is to get, None where it never had a share. base: the version that has the rest.
    """

    asked: Entry
    version: str | None = None
    phase: Phase = Phase.PENDING
    accepted: bool = False
    message: str = ""
    step: int = 0
    steps: int = 0
    weight: int | None = None
    base: str | None = None
    digest: str | None = None
    verdict: Verdict | None = None
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def weights(self) -> Mapping[str, int]:
        """Percent of live requests by version, of those that this request is about."""
        if self.weight is None or self.version is None:
            return {}
        rest = {self.base: 100 - self.weight} if self.base is not None else {}
        return {self.version: self.weight, **rest}


@dataclass(frozen=True)
class Ledger:
    """All requests of a journal by id. current: the one whose rollout or rollback window goes on. since: when the
    journal was adopted or restored last; what was asked before is never taken any more."""

    requests: Mapping[str, Progress] = field(default_factory=lambda: MappingProxyType({}))
    current: str | None = None
    since: datetime | None = None


def follow(entries: Iterable[Entry], ledger: Ledger | None = None) -> Ledger:
    """The ledger after `entries`, beginning with `ledger` (of an empty journal by default)."""
    ledger = ledger or Ledger()
    requests, current, since = dict(ledger.requests), ledger.current, ledger.since
    for entry in entries:
        if entry.kind is Kind.REQUESTED:
            requests[entry.data["id"]] = Progress(entry, entry.data.get("version"), message=summary(entry))
            continue
        if current is not None:
            requests[current] = _on_course(requests[current], entry)
            current = current if requests[current].phase in RUNNING | {Phase.GUARDING} else None
        for name in ("request", "promotion"):
            own = requests.get(str(entry.data.get(name)))
            if own is not None and own.phase in WAITING and (name, entry.kind) in _ANSWERS:
                requests[own.asked.data["id"]] = answered = _answered(own, entry, _ANSWERS[name, entry.kind])
                current = own.asked.data["id"] if answered.phase in RUNNING else current
        if entry.kind in (Kind.ADOPTED, Kind.RESTORED):
            since = entry.time
        if entry.kind is Kind.RESTORED:
            requests = {name: _lost(found, entry) for name, found in requests.items()}
    return Ledger(MappingProxyType(requests), current, since)


def _answered(progress: Progress, entry: Entry, phase: Phase) -> Progress:
    progress = replace(
        progress,
        phase=phase,
        accepted=phase in (Phase.PROGRESSING, Phase.SUCCEEDED),
        message=entry.data["reason"] if phase is Phase.REFUSED else summary(entry),
        digest=entry.data.get("digest", progress.digest),
        ended=entry.time if phase in TERMINAL else None,
    )
    if entry.kind is Kind.STARTED:
        return replace(
            progress,
            started=entry.time,
            steps=len(entry.data["plan"]["steps"]),
            base=entry.data["base"],
            weight=0,
            version=entry.data["version"],  # a rollback's request names the one to leave
        )
    return progress


def _on_course(progress: Progress, entry: Entry) -> Progress:
    """The request whose rollout or window goes on, after any entry of the journal."""
    if "promotion" in entry.data:  # about a request that waits
        return progress
    done = _closes(progress, entry) or (progress.phase in RUNNING and entry.kind in ENDS and how_ended(entry) == "over")
    phase = Phase.SUCCEEDED if done else _COURSE.get((progress.phase, entry.kind))
    if phase is not None:
        progress = replace(progress, phase=phase, message=summary(entry))
        progress = replace(progress, ended=entry.time) if phase in TERMINAL else progress
    match entry.kind:
        case Kind.STEPPED:
            step = entry.data["step"] + 1
            return replace(progress, step=step, weight=entry.data["weight"], message=summary(entry))
        case Kind.WITHHELD:
            return replace(progress, weight=0, message=summary(entry))
        case Kind.VERDICT:
            return replace(progress, verdict=_verdict(entry), message=summary(entry))
        case Kind.PROMOTED:
            return replace(progress, weight=100)
        case Kind.ROLLED_BACK | Kind.ABORTED | Kind.EXPIRED:
            return replace(progress, weight=0)
        case _:
            return progress


def _closes(progress: Progress, entry: Entry) -> bool:
    return progress.phase is Phase.GUARDING and entry.kind is Kind.VERDICT and bool(entry.data.get("closed"))


def _verdict(entry: Entry) -> Verdict:
    data = entry.data
    signals = data.get("numbers", {}).get("signals", {})
    return Verdict(data["verdict"], data["reason"], data["message"], entry.time, signals)


def _lost(progress: Progress, entry: Entry) -> Progress:
    """What waited when the journal was restored."""
    if progress.phase not in WAITING:
        return progress
    message = "the journal was restored from a backup, and what waited then is not taken any more; ask for it anew"
    return replace(progress, phase=Phase.FAILED, message=message, ended=entry.time)
