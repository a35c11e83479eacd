"""What is known of a model's drift between two readings, and the file it is kept in.

The file is a projection: without it, or with a damaged one, counters are read anew and evidence begins at nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from registry.domain.card import Card
from registry.domain.documents import Fields, canonical_bytes, moment, sha256
from registry.domain.drift_counts import (
    CLASSES,
    CONFIDENCE,
    FEATURES,
    NOTHING,
    SIGNALS,
    ByProcess,
    LiveCounts,
    parse_counts,
)
from registry.domain.drift_evidence import NONE, Array, log_sum
from registry.domain.drift_record import alarms
from registry.domain.drift_reference import Spreads, Week, parse_spreads, parse_week
from registry.domain.drift_signals import (
    ClassEvidence,
    HistogramEvidence,
    Reference,
    confidence_reference,
    feature_reference,
    parse_classes,
    parse_histogram,
)
from registry.domain.errors import InvalidDocument
from registry.domain.state import State
from registry.domain.version import Version

SCHEMA = 1

BOUND = 1.3e5
"""Ticks that pass on average until a false alarm, at least: 90 days of a tick a minute."""

LOG_BOUND = math.log(BOUND)
SHARE = math.log(len(SIGNALS))
"""What a signal's log is worth less in the mean of all."""

NONE_YET: Mapping[str, Any] = MappingProxyType({})
UNSEEN, NO_SPREADS = HistogramEvidence(), Spreads()


def mean_of(logs: Sequence[Array]) -> Array:
    """Log of the mean of all signals' e-detectors; of each of SIGNALS its log (…)."""
    return log_sum(np.stack(np.broadcast_arrays(*logs)), axis=0) - SHARE


class Subject(NamedTuple):
    """What is watched: the version in production, as its card has it. mix: held-out images by class."""

    version: Version
    digest: str
    classes: tuple[str, ...]
    mix: tuple[int, ...]
    references: Mapping[str, Reference]


def subject_of(card: Card, digest: str) -> Subject:
    """References that count nothing, or do not fit themselves, are left out."""
    found = {CONFIDENCE: confidence_reference(card.reference.confidence)}
    for name in FEATURES:
        if name in card.reference.features:
            reference = feature_reference(*card.reference.features[name])
            found |= {name: reference} if reference is not None else {}
    references = {name: each for name, each in found.items() if each.size > 0}
    return Subject(card.version, digest, card.classes, card.reference.classes, references)


@dataclass(frozen=True)
class Alarm:
    """An episode of drift in one signal. since: when it began, as far as its evidence tells. raised and confirmed: the
    ticks in which it was told first and last; took: how many after its beginning."""

    since: datetime
    raised: int
    confirmed: int
    took: int


@dataclass(frozen=True)
class Signal:
    """What is known of one signal. counts: of the last RECENT ticks. log: of its e-detector. calm: when it last said
    nothing, in the tick `quiet`, after which `answers` came."""

    evidence: ClassEvidence | HistogramEvidence = UNSEEN
    spreads: Spreads = NO_SPREADS
    counts: tuple[tuple[int, ...], ...] = ()
    log: float = NONE
    calm: datetime | None = None
    quiet: int = 0
    answers: int = 0
    alarm: Alarm | None = None


@dataclass(frozen=True)
class Watch:
    """A model between two readings.

    read: counters as they were read last. open: what came in the tick that is open, over so many watched `seconds`.
    week: what the class mix is measured against, still learned while `dispersions` is None; afterwards φ by signal.
    """

    version: Version | None = None
    digest: str = ""
    read: ByProcess = field(default_factory=lambda: NONE_YET)
    open: LiveCounts = NOTHING
    seconds: float = 0.0
    last: datetime | None = None
    ticks: int = 0
    evaluated: datetime | None = None
    week: Week | None = None
    dispersions: Mapping[str, float] | None = None
    signals: Mapping[str, Signal] = field(default_factory=lambda: NONE_YET)
    problem: str | None = None

    def signal(self, name: str) -> Signal:
        return self.signals.get(name, Signal())

    @property
    def log(self) -> float:
        """Of the mean of all signals' e-detectors."""
        return float(mean_of([np.asarray(self.signal(name).log) for name in SIGNALS]))

    def dispersion(self, name: str) -> float | None:
        """φ of a signal: settled with the reference of the classes, until then from what there is; None from too few
        ticks. It is of how clients ask, so that it outlives versions."""
        if self.dispersions is not None and name in self.dispersions:
            return self.dispersions[name]
        spreads = self.signal(name).spreads
        if name == CLASSES:
            return self.week.dispersion(spreads) if self.week is not None else None
        return spreads.dispersion(np.ones(len(spreads.fine.counts))) if spreads.fine.ticks else None

    def content(self) -> bytes:
        """The bytes of the file: the sha256 of the rest, a newline, and JSON."""
        body = canonical_bytes(
            {
                "schema": SCHEMA,
                "version": self.version,
                "digest": self.digest,
                "read": {name: found.document() for name, found in self.read.items()},
                "open": self.open.document(),
                "seconds": self.seconds,
                "last": _time(self.last),
                "ticks": self.ticks,
                "evaluated": _time(self.evaluated),
                "week": self.week and self.week.document(),
                "dispersions": self.dispersions and dict(self.dispersions),
                "signals": {name: _document(found) for name, found in self.signals.items()},
            }
        )
        return sha256(body).encode() + b"\n" + body


def known_of(state: State, watch: Watch) -> Watch:
    """What a controller that starts goes on from: `watch` is what its file had, and the journal says which episodes go
    on and what the class mix is measured against."""
    record = state.drift.reference
    if record is None:
        watch = replace(watch, dispersions=None)
    elif watch.dispersions is None:
        found = Fields(dict(record), "drift entry of the journal")
        phi = found.object("dispersions")
        known = {name: phi.number(name, minimum=1) for name in phi}
        watch = replace(watch, week=parse_week(found.object("week")), dispersions=known)
    production = state.production
    if production is not None and watch.version is None:
        watch = replace(watch, version=production, digest=state.version(production).digest)
    if production is None or watch.version != production:
        return watch
    going, signals = alarms(state), {name: watch.signal(name) for name in SIGNALS}
    for name, signal in signals.items():
        if name not in going:
            signals[name] = replace(signal, alarm=None)
        elif signal.alarm is None:
            alarm = Alarm(moment(going[name]["since"]), watch.ticks, watch.ticks, going[name]["ticks"])
            signals[name] = replace(signal, alarm=alarm)
    return replace(watch, signals=signals)


def parse_watch(content: bytes) -> Watch:
    """Read `Watch.content`; raises InvalidDocument for every byte that is not as it was written."""
    digest, _, body = content.partition(b"\n")
    if sha256(body).encode() != digest:
        raise InvalidDocument("drift: the file is torn or altered")
    fields = Fields.parse(body, "drift")
    fields.schema(SCHEMA)
    read, signals = fields.object("read"), fields.object("signals")
    phi = fields.object("dispersions") if fields.has("dispersions") else None
    return Watch(
        version=Version(fields.text("version")) if fields.has("version") else None,
        digest=fields.text("digest"),
        read={name: parse_counts(read.object(name)) for name in read},
        open=parse_counts(fields.object("open")),
        seconds=fields.number("seconds", minimum=0),
        last=_moment(fields, "last"),
        ticks=fields.integer("ticks"),
        evaluated=_moment(fields, "evaluated"),
        week=parse_week(fields.object("week")) if fields.has("week") else None,
        dispersions=None if phi is None else {name: phi.number(name, minimum=1) for name in phi},
        signals={name: _signal(name, signals.object(name)) for name in signals},
    )


def _document(found: Signal) -> dict[str, Any]:
    alarm = found.alarm
    return {
        "evidence": found.evidence.document(),
        "spreads": found.spreads.document(),
        "counts": [list(counts) for counts in found.counts],
        "log": found.log,
        "calm": _time(found.calm),
        "quiet": found.quiet,
        "answers": found.answers,
        "alarm": alarm and {**vars(alarm), "since": _time(alarm.since)},
    }


def _signal(name: str, fields: Fields) -> Signal:
    evidence = fields.object("evidence")
    rows = fields.document.get("counts")
    if not isinstance(rows, list):
        raise InvalidDocument(f"drift: counts of {name} are no list")
    return Signal(
        evidence=parse_classes(evidence) if "fine" in evidence.document else parse_histogram(evidence),
        spreads=parse_spreads(fields.object("spreads")),
        counts=tuple(Fields({"counts": row}, "drift").integers("counts") for row in rows),
        log=fields.number("log"),
        calm=_moment(fields, "calm"),
        quiet=fields.integer("quiet"),
        answers=fields.integer("answers"),
        alarm=_alarm(fields.object("alarm")) if fields.has("alarm") else None,
    )


def _alarm(fields: Fields) -> Alarm:
    ticks = (fields.integer(key) for key in ("raised", "confirmed", "took"))
    return Alarm(moment(fields.text("since")), *ticks)


def _time(time: datetime | None) -> str | None:
    """To the microsecond, so that what is read is what was written."""
    return time.isoformat() if time is not None else None


def _moment(fields: Fields, key: str) -> datetime | None:
    return moment(fields.text(key)) if fields.has(key) else None
