"""Promotions and Approvals: what they ask goes to the journal, what became of it comes back as status and events.

Listed whole in each turn, so that nothing depends on a watch. Nothing here is a source: a status that is lost or edited
is written again from the journal.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from registry.adapters.cluster.api import APPROVALS, PROMOTIONS, Api, Resource
from registry.adapters.cluster.events import Events
from registry.adapters.cluster.labels import LabelMaps
from registry.adapters.cluster.models_view import ModelViews
from registry.domain.documents import moment
from registry.domain.errors import InvalidName, NotFound
from registry.domain.inbox import APPROVAL, PROMOTION, Asking, Told, declined, drafts
from registry.domain.journal import Draft
from registry.domain.objects import Object
from registry.domain.progress import TERMINAL, Ledger, Phase
from registry.domain.statuses import approval_status, declined_approval, declined_status, promotion_status
from registry.domain.version import Model

RESOURCES: Mapping[str, Resource] = {PROMOTION: PROMOTIONS, APPROVAL: APPROVALS}
ENDED: Mapping[str, frozenset[str]] = {
    PROMOTION: frozenset(phase.value for phase in TERMINAL),
    APPROVAL: frozenset({"Recorded", "Refused"}),
}
"""Phases of objects that are over."""

BAD = (Phase.REFUSED, Phase.ROLLED_BACK, Phase.EXPIRED, Phase.FAILED)
"""Phases that somebody should look at."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    """An object as it was listed, and what it asks."""

    asking: Asking
    object: Object

    @property
    def status(self) -> Mapping[str, Any]:
        return self.object.get("status") or {}


@dataclass
class Desk:
    """The controller's inbox in a namespace."""

    api: Api
    events: Events
    views: ModelViews
    labels: LabelMaps
    _seen: Sequence[_Seen] | None = None
    _told: set[str] = field(default_factory=set)

    def look(self) -> None:
        """See all Promotions and Approvals, and take in labels. Raises RegistryError."""
        self._seen = None
        found = [_seen(kind, made) for kind, resource in RESOURCES.items() for made in self.api.list(resource)]
        self._seen = found
        self.labels.look()

    def drafts(self, model: Model, ledger: Ledger, *, adopting: bool = False) -> Sequence[Draft]:
        """What is new for a model; nothing after a look that failed, as then nothing is known to be gone either."""
        if self._seen is None:
            return ()
        return drafts([found.asking for found in self._of(model)], ledger, adopting=adopting)

    def tell(self, told: Told) -> None:
        """Write statuses that changed, tell events, and the view of the model. Raises RegistryError."""
        for seen in self._of(told.state.model):
            if not seen.asking.ended:
                self._write(seen, _status(seen, told.ledger, told.now))
                self._tell_control(seen, told.ledger)
        self.labels.tell(told.state)
        self.views.tell(told)

    def decline(self, known: Collection[Model]) -> None:
        """Refuse what is of a model that nobody published."""
        for seen in self._seen or ():
            model = _model(seen.asking)
            if model in known or seen.asking.ended:
                continue
            there = ", ".join(sorted(known)) or "none"
            reason = f"no version of {seen.asking.spec.get('model')!r} was published; models here: {there}"
            self._write(seen, _declined(seen, reason, datetime.now(UTC)))

    def _of(self, model: Model) -> Iterator[_Seen]:
        return (found for found in self._seen or () if _model(found.asking) == model)

    def _write(self, seen: _Seen, status: Mapping[str, Any]) -> None:
        change = changes(seen.status, status)
        if not change:
            return
        asking = seen.asking
        try:
            self.api.patch(RESOURCES[asking.kind], asking.name, {"status": change}, part="status")
        except NotFound:
            return  # deleted meanwhile
        if asking.kind == PROMOTION and ("phase" in change or "step" in change):
            self._tell(seen, str(status.get("phase")), str(status.get("message") or "as asked"))

    def _tell_control(self, seen: _Seen, ledger: Ledger) -> None:
        """Say once that a pause, resume or abort was refused: the status tells of the promotion alone."""
        said = f"{seen.asking.uid}.{seen.asking.generation}"
        found = ledger.requests.get(said)
        if found is not None and found.phase is Phase.REFUSED and said not in self._told:
            self._told.add(said)
            self.events.warn(seen.object, "ControlRefused", found.message)

    def _tell(self, seen: _Seen, phase: str, message: str) -> None:
        if phase in BAD:
            self.events.warn(seen.object, phase, message)
        else:
            self.events.tell(seen.object, phase, message)


def _seen(kind: str, made: Object) -> _Seen:
    """A list names the kind of its items once."""
    metadata, status = made["metadata"], made.get("status") or {}
    asking = Asking(
        kind=kind,
        uid=metadata["uid"],
        name=metadata["name"],
        created=moment(metadata["creationTimestamp"]),
        generation=int(metadata.get("generation", 1)),
        spec=made.get("spec") or {},
        leaving="deletionTimestamp" in metadata,
        ended=status.get("phase") in ENDED[kind],
    )
    return _Seen(asking, {**made, "apiVersion": RESOURCES[kind].group, "kind": kind})


def _model(asking: Asking) -> Model | None:
    try:
        return asking.model
    except InvalidName:
        return None


def _status(seen: _Seen, ledger: Ledger, now: datetime) -> Mapping[str, Any]:
    """What an object's status is to be."""
    asking, progress = seen.asking, ledger.requests.get(seen.asking.uid)
    if progress is None:
        reason = declined(asking, ledger)
        return seen.status if reason is None else _declined(seen, reason, now)
    if asking.kind == APPROVAL:
        return approval_status(progress)
    return promotion_status(progress, generation=asking.generation, before=seen.status, now=now)


def _declined(seen: _Seen, reason: str, now: datetime) -> Mapping[str, Any]:
    if seen.asking.kind == APPROVAL:
        return declined_approval(reason)
    return declined_status(reason, generation=seen.asking.generation, before=seen.status, now=now)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that makes `before` into `after`; empty where they are equal. What is gone becomes null."""
    found: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            inner = changes(old, value)
            found |= {key: inner} if inner else {}
        elif key not in before or old != value:
            found[key] = value
    return found
