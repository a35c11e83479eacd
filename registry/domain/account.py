"""The account of one rollout, from its request to its end: what its report tells, cut out of the journal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from registry.domain.journal import Entry, Kind
from registry.domain.judge import StartMixture, Window, parse_evidence
from registry.domain.plan import Plan, parse_plan
from registry.domain.signals import SIGNALS
from registry.domain.version import Model, Version

ENDS = (Kind.PROMOTED, Kind.ROLLED_BACK, Kind.ABORTED, Kind.EXPIRED)
GUARD = "guard"
"""The name under which evidence of the rollback window stands beside the signals."""


@dataclass(frozen=True)
class Reading:
    """Evidence as it was recorded: per signal log E, and log A where it may block."""

    time: datetime
    harm: Mapping[str, float]
    health: Mapping[str, float]


@dataclass(frozen=True)
class Step:
    """One stay at a weight. counts: per signal, of that step alone."""

    weight: int
    began: datetime
    ended: datetime
    counts: Mapping[str, Window]


def how_ended(end: Entry) -> str:
    """In words. A comparison that expired has numbers when its time was over, and none when it came to nothing."""
    if end.kind is Kind.EXPIRED and end.data.get("numbers"):
        return "over"
    return end.kind.value.replace("_", " ")


@dataclass(frozen=True)
class Account:
    """entries: from the request on; once it ended up to its last one, which is that of the window after a promotion."""

    model: Model
    entries: tuple[Entry, ...]
    started: Entry

    @property
    def sequence(self) -> int:
        """The `started` entry's; it names the rollout and its report."""
        return self.started.sequence

    @property
    def version(self) -> Version:
        return Version(self.started.data["version"])

    @property
    def base(self) -> Version | None:
        base = self.started.data["base"]
        return None if base is None else Version(base)

    @property
    def plan(self) -> Plan:
        return parse_plan(self.started.data["plan"])

    @property
    def request(self) -> Entry | None:
        """What was asked; None where it was pruned away or is not of this journal."""
        asked = (entry for entry in self.entries if entry.kind is Kind.REQUESTED)
        return next((entry for entry in asked if entry.data["id"] == self.started.data["request"]), None)

    @property
    def end(self) -> Entry | None:
        """The entry that ended it: of a promotion that went back in its window the one that says so."""
        return next((entry for entry in reversed(self.entries) if _ends(entry, self.started)), None)

    @property
    def outcome(self) -> str:
        """In words."""
        ends = [entry for entry in self.entries if _ends(entry, self.started)]
        if not ends:
            return "in progress"
        return "promoted, then rolled back" if len(ends) > 1 else how_ended(ends[-1])

    @property
    def last(self) -> int:
        """The sequence its report reaches to."""
        return self.entries[-1].sequence

    def weights(self) -> Iterator[tuple[datetime, int]]:
        """Percent of live requests the version was to get, from each moment on."""
        for entry in self.entries:
            if entry.kind is Kind.STEPPED:
                yield entry.time, int(entry.data["weight"])
            elif entry.kind is Kind.PROMOTED:
                yield entry.time, 100
            elif entry is self.started or entry.kind is Kind.WITHHELD or _ends(entry, self.started):
                yield entry.time, 0

    def readings(self) -> tuple[Reading, ...]:
        """The evidence over time."""
        return tuple(_reading(entry, self.plan) for entry in self.entries if entry.kind is Kind.EVIDENCE)

    def steps(self) -> tuple[Step, ...]:
        """Stays at a weight, with what was counted last in each."""
        found: list[Step] = []
        for entry in self.entries:
            if entry.kind is Kind.EVIDENCE and found:
                found[-1] = replace(found[-1], ended=entry.time, counts=_counts(entry) or found[-1].counts)
            elif entry.kind is Kind.STEPPED:
                found.append(Step(entry.data["weight"], entry.time, entry.time, {}))
            elif entry.kind in ENDS and found:
                return (*found[:-1], replace(found[-1], ended=entry.time))
        return tuple(found)


def _judged(entry: Entry) -> list[str]:
    return [name for name in SIGNALS if name in entry.data]


def _reading(entry: Entry, plan: Plan) -> Reading:
    seen = {name: parse_evidence(entry.data[name]) for name in _judged(entry)}
    judged = {name: found for name, found in seen.items() if name in plan.floors}
    harm = {name: found.harm.log_e for name, found in judged.items() if SIGNALS[name].rolls_back}
    blocks = {name for name in judged if SIGNALS[name].blocks or name in plan.block}
    health = {name: found.clearance.log_a for name, found in judged.items() if name in blocks}
    if GUARD in entry.data:
        guard = entry.data[GUARD]
        harm = {GUARD: StartMixture(guard["windows"], tuple(guard["logs"])).log_e}
    return Reading(entry.time, harm, health)


def _counts(entry: Entry) -> Mapping[str, Window]:
    return {name: parse_evidence(entry.data[name]).step for name in _judged(entry)}


def accounts(model: Model, entries: Sequence[Entry]) -> tuple[Account, ...]:
    """All rollouts of a journal, oldest first; the last one may be in progress."""
    asked: dict[str, list[Entry]] = {}
    found: list[list[Entry]] = []
    for entry in entries:
        if entry.kind is Kind.REQUESTED:
            asked[entry.data["id"]] = [entry]
        elif entry.kind is Kind.STARTED:
            found.append([*asked.get(entry.data["request"], ()), entry])
            continue
        elif entry.data.get("promotion") in asked:
            asked[entry.data["promotion"]].append(entry)  # staged on its way to a rollout
            continue
        if found:
            found[-1].append(entry)
    return tuple(_account(model, own) for own in found)


def _account(model: Model, entries: Sequence[Entry]) -> Account:
    """Without what came after its end: other requests, other versions."""
    started = next(entry for entry in entries if entry.kind is Kind.STARTED)
    ended = [index for index, entry in enumerate(entries) if _ends(entry, started) or entry.data.get("closed")]
    return Account(model, tuple(entries[: ended[-1] + 1] if ended else entries), started)


def _ends(entry: Entry, started: Entry) -> bool:
    return (
        entry.kind in ENDS
        and entry.sequence > started.sequence
        and entry.data["version"] == started.data["version"]
        and "promotion" not in entry.data  # that ended a request which was still waiting
    )
