"""What a model's journal says about one moment: which version served, who decided it, why, and on which numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.domain.documents import timestamp
from registry.domain.fold import fold
from registry.domain.journal import Entry, Kind
from registry.domain.state import State, release
from registry.domain.version import Model, Version


@dataclass(frozen=True)
class Decided:
    """The entry that put `version` into production, and the one that asked for it (None: nobody did)."""

    version: Version
    digest: str
    entry: Entry
    asked: Entry | None

    def document(self) -> dict[str, Any]:
        """askedBy, askedReason: who wanted it and why; decidedBy, reason, numbers: who did it, on which evidence."""
        return {
            "version": self.version,
            "digest": self.digest,
            "since": timestamp(self.entry.time),
            "entry": self.entry.sequence,
            "askedBy": self.asked.actor if self.asked else None,
            "askedReason": self.asked.data.get("reason") if self.asked else None,
            "decidedBy": self.entry.actor,
            "reason": self.entry.data.get("reason"),
            "numbers": dict(self.entry.data.get("numbers", {})),
        }


@dataclass(frozen=True)
class Moment:
    """A model as it was: the state that its journal had, and how its production version came to be."""

    time: datetime
    state: State
    production: Decided | None

    @property
    def weights(self) -> Mapping[Version, int]:
        """Percent of live requests per version that the journal wanted then."""
        return release(self.state).weights

    def document(self) -> dict[str, Any]:
        rollout = self.state.rollout
        return {
            "model": self.state.model,
            "time": timestamp(self.time),
            "production": self.production and self.production.document(),
            "weights": dict(self.weights),
            "previous": self.state.previous,
            "staging": self.state.staging,
            "rollout": rollout
            and {
                "version": rollout.version,
                "base": rollout.base,
                "comparison": rollout.plan.comparison,
                "step": rollout.step,
                "weight": rollout.weight,
                "started": timestamp(rollout.started),
                "requestedBy": rollout.by,
            },
            "journal": {"sequence": self.state.head.sequence, "sha256": self.state.head.sha256},
        }


def moment_of(model: Model, entries: Sequence[Entry], at: datetime) -> Moment:
    """What the journal said at `at`: every entry up to and including that time counts."""
    known = [entry for entry in entries if entry.time <= at]
    state, decided = State(model), None
    for entry in known:
        before, state = state.production, fold(model, [entry], state=state)
        if state.production is not None and state.production != before:
            decided = entry
    if state.production is None or decided is None:
        return Moment(at, state, None)
    digest = state.version(state.production).digest
    return Moment(at, state, Decided(state.production, digest, decided, _asked(known, decided)))


def _asked(entries: Sequence[Entry], decided: Entry) -> Entry | None:
    """The request that `decided` answers: its own, or that of the rollout it ends."""
    request = decided.data.get("request")
    if request is None and decided.kind is Kind.PROMOTED:
        earlier = (entry for entry in reversed(entries[: decided.sequence]) if entry.kind is Kind.STARTED)
        request = next(earlier).data["request"]
    asked = (entry for entry in entries if entry.kind is Kind.REQUESTED and entry.data["id"] == request)
    return next(asked, None) if request is not None else None
