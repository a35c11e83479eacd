"""Drift of a model's live answers, from counters: what was learned of it so far, and what one more reading adds. Pure.

    watch, counters, now ──► look ──► watch, findings: alarms, recoveries, the reference of the class mix

A tick closes at a reading when it lasted TICK seconds and has FEWEST answers. What alarms is the mean of all signals'
e-detectors: without drift it takes BOUND ticks on average until it does, 90 days of ticks of a minute. Only the version
in production is watched; nothing here changes a release.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from registry.domain.documents import timestamp
from registry.domain.drift_counts import CLASSES, NOTHING, SIGNALS, ByProcess, LiveCounts, gained
from registry.domain.drift_effects import effect
from registry.domain.drift_record import ALARM, RECOVERED, REFERENCE, RELEARNING
from registry.domain.drift_reference import Spreads, Week, cell
from registry.domain.drift_signals import ClassEvidence, HistogramEvidence
from registry.domain.drift_watch import LOG_BOUND, SHARE, Alarm, Signal, Subject, Watch
from registry.domain.errors import InvalidDocument
from registry.domain.journal import Draft, Kind
from registry.domain.policy import DriftPolicy
from registry.domain.turn import CONTROLLER, JUMP

TICK, FEWEST = 60.0, 100
"""Seconds and answers of a tick, at least."""

CALM = 3.0
"""The log below which a signal says nothing; a change began after it last did."""

QUIET = 100
"""Ticks, at least, without another alarm, after which an episode is over; and four times as many as it took."""

RECENT = 20
"""Ticks of which effect sizes are shown."""


class Finding(NamedTuple):
    """What is to be recorded. what: ALARM, RECOVERED, REFERENCE or RELEARNING."""

    what: str
    signal: str
    data: Mapping[str, Any]

    @property
    def draft(self) -> Draft:
        return Draft(Kind.DRIFT, CONTROLLER, {"what": self.what, "signal": self.signal, **self.data})


Found = tuple[Watch, tuple[Finding, ...]]


def look(watch: Watch, subject: Subject, counts: ByProcess, now: datetime, policy: DriftPolicy) -> Found:
    """After one more reading of the version in production. The first one of a version is only counted from.

    A clock that goes back, or forward by more than JUMP, adds no time to the tick.
    """
    watch, findings = _of(watch, subject)
    if not watch.read:
        return replace(watch, read=dict(counts), last=now), findings
    gap = (now - watch.last).total_seconds() if watch.last is not None else 0.0
    try:
        new, read, wrong = gained(watch.read, counts)
        opened = watch.open + new
    except InvalidDocument as error:
        return replace(watch, read=dict(counts), last=now, problem=str(error)), findings
    problem = f"counters of {', '.join(wrong)} went back without a restart" if wrong else None
    seconds = watch.seconds + (gap if 0 <= gap <= JUMP.total_seconds() else 0.0)
    watch = replace(watch, read=read, open=opened, seconds=seconds, last=now, problem=problem or watch.problem)
    if opened.answers < FEWEST or seconds < TICK:
        return watch, findings
    watch, more = _close(watch, subject, now, policy)
    return replace(watch, open=NOTHING, seconds=0.0, problem=problem), (*findings, *more)


def _of(watch: Watch, subject: Subject) -> Found:
    """The watch of this version. Another one begins anew, but for the class mix and how clients ask.

    A version that comes while the class mix has an alarm is the answer to it: what is usual is learned again.
    """
    if (watch.version, watch.digest) == (subject.version, subject.digest):
        return watch, ()
    findings: tuple[Finding, ...] = ()
    week, dispersions = watch.week, watch.dispersions
    spreads = {name: found.spreads for name, found in watch.signals.items()}
    renamed = week is not None and week.classes != subject.classes
    if renamed or watch.signal(CLASSES).alarm is not None:
        if dispersions is not None:
            reason = (
                "the version has other classes" if renamed else "a new version came after the class mix had drifted"
            )
            findings = (Finding(RELEARNING, CLASSES, {"version": subject.version, "reason": reason}),)
        week, dispersions = None, None
        spreads.pop(CLASSES, None)
    signals = {name: Signal(spreads=spreads.get(name, Spreads())) for name in SIGNALS}
    fresh = Watch(subject.version, subject.digest, week=week, dispersions=dispersions, signals=signals)
    return fresh, findings


def _close(watch: Watch, subject: Subject, now: datetime, policy: DriftPolicy) -> Found:
    """The tick that is open ends."""
    watch = replace(watch, ticks=watch.ticks + 1, evaluated=now, week=watch.week or Week.empty(subject.classes))
    counts = _counts(watch.open, subject)
    signals = {name: _added(watch, name, counts.get(name), subject, now) for name in SIGNALS}
    watch, findings = _alarms(replace(watch, signals=signals), subject, now)
    watch, learned = _learned(watch, counts.get(CLASSES), now, policy)
    return watch, (*findings, *learned)


def _counts(new: LiveCounts, subject: Subject) -> Mapping[str, tuple[int, ...]]:
    """The tick's counts by signal, of those that fit what they are compared with."""
    found = {}
    if set(new.classes) == set(subject.classes):
        found[CLASSES] = tuple(new.classes[name] for name in subject.classes)
    for name, reference in subject.references.items():
        counts = reference.binned(new.histograms[name]) if name in new.histograms else None
        if counts is not None and sum(counts) > 0:
            found[name] = counts
    return found


def _added(watch: Watch, name: str, counts: tuple[int, ...] | None, subject: Subject, now: datetime) -> Signal:
    """A signal after one more tick; one without counts stays as it is."""
    before = watch.signal(name)
    if counts is None:
        return before
    array, phi = np.asarray(counts, dtype=np.float64), watch.dispersion(name)
    evidence = before.evidence
    if name == CLASSES:
        known = watch.week is not None and watch.dispersions is not None
        if known and phi is not None and watch.week is not None:
            base = evidence if isinstance(evidence, ClassEvidence) else ClassEvidence.empty(len(counts))
            evidence = base.add(array, watch.week.box(phi), phi)
    elif phi is not None:
        base_of = evidence if isinstance(evidence, HistogramEvidence) else HistogramEvidence()
        evidence = base_of.add(array, subject.references[name].bets, phi)
    log, settled = float(evidence.log), watch.dispersions is not None and name in watch.dispersions
    calm = log < CALM
    return replace(
        before,
        evidence=evidence,
        spreads=before.spreads if settled else _spread(before.spreads, name, counts, subject),
        counts=(*before.counts, counts)[-RECENT:],
        log=log,
        calm=now if calm or before.calm is None else before.calm,
        quiet=watch.ticks if calm or before.calm is None else before.quiet,
        answers=0 if calm else before.answers + sum(counts),
    )


def _spread(spreads: Spreads, name: str, counts: tuple[int, ...], subject: Subject) -> Spreads:
    """Of classes, or of the cumulated shares that are bet on."""
    if name == CLASSES:
        return spreads.add(counts, sum(counts))
    below = np.cumsum(counts)
    return spreads.add([float(below[edge - 1]) for edge in subject.references[name].bets.edges], sum(counts))


def _alarms(watch: Watch, subject: Subject, now: datetime) -> Found:
    """Signals that alarm when the mean reaches the bound: the strongest, and others that would alone. Their evidence
    begins anew, so that an episode that goes on is seen again, and one that does not is over."""
    signals, findings = dict(watch.signals), []
    strongest = max(SIGNALS, key=lambda name: signals[name].log)
    for name in SIGNALS if watch.log >= LOG_BOUND else ():
        found = signals[name]
        if name != strongest and found.log - SHARE < LOG_BOUND:
            continue
        if found.alarm is None:
            alarm = Alarm(found.calm or now, watch.ticks, watch.ticks, watch.ticks - found.quiet)
            findings.append(Finding(ALARM, name, _told(watch, name, alarm, subject)))
        else:
            alarm = replace(found.alarm, confirmed=watch.ticks)
        signals[name] = Signal(spreads=found.spreads, counts=found.counts, calm=now, quiet=watch.ticks, alarm=alarm)
    for name, found in signals.items():
        if found.alarm is not None and watch.ticks - found.alarm.confirmed >= max(QUIET, 4 * found.alarm.took):
            signals[name] = replace(found, alarm=None)
            data = {"version": watch.version, "since": timestamp(found.alarm.since)}
            findings.append(Finding(RECOVERED, name, data))
    return replace(watch, signals=signals), tuple(findings)


def _told(watch: Watch, name: str, alarm: Alarm, subject: Subject) -> dict[str, Any]:
    """What the journal says of an alarm."""
    signal = watch.signal(name)
    seen = effect(watch, name, signal, subject, ticks=alarm.took)
    return {
        "version": watch.version,
        "since": timestamp(alarm.since),
        "ticks": alarm.took,
        "n": signal.answers,
        "log_e": round(signal.log - SHARE, 3),
        "bound": round(LOG_BOUND, 3),
        "dispersion": watch.dispersion(name),
        "effect": seen.document() if seen is not None else None,
    }


def _learned(watch: Watch, counts: Sequence[int] | None, now: datetime, policy: DriftPolicy) -> Found:
    """The class mix of production, until there is enough of it."""
    if counts is None or watch.week is None or watch.dispersions is not None:
        return watch, ()
    week = watch.week.add(counts, place=cell(now), seconds=watch.seconds)
    watch = replace(watch, week=week)
    found = watch.dispersion(CLASSES)
    if found is None or not week.suffices(policy, found):
        return watch, ()
    known = {name: watch.dispersion(name) for name in SIGNALS}
    dispersions = {name: phi for name, phi in known.items() if phi is not None}
    data = {"version": watch.version, "answers": week.answers, "dispersions": dispersions, "week": week.document()}
    return replace(watch, dispersions=dispersions), (Finding(REFERENCE, CLASSES, data),)
