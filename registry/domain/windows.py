"""From cumulative counters to the windows that the judge reads.

A segment begins with a first reading and goes on as long as weights and endpoints stay as they are; each further
reading closes a window. Missing or contradictory readings close none: they are a problem to be named, never evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from registry.domain.judge import Window
from registry.domain.observation import Counters, ObservedRevision
from registry.domain.signals import ERRORS, LATENCY, LATENCY_EDGES, LOW_CONFIDENCE, RATIO, REFUSED
from registry.domain.version import Version


class Counted(NamedTuple):
    """One signal of one revision: how much could have been bad, and how much was."""

    exposure: int
    bad: int


NONE = Counted(0, 0)
Counts = Mapping[str, Counted]
"""Per signal that predictors and proxy count."""


@dataclass(frozen=True)
class Segment:
    """base: the first reading. last: the newest one. taken: what windows already took since base."""

    base: Mapping[Version, Counters]
    last: Mapping[Version, Counters]
    taken: Mapping[Version, Counts]


@dataclass(frozen=True)
class Reading:
    """What one reading gave: the segment to go on with, the window it closed (None: none), the problem it had."""

    segment: Segment | None
    window: Mapping[Version, Counts] | None = None
    problem: str | None = None


def read(
    segment: Segment | None, counters: Mapping[Version, Counters], versions: Sequence[Version], *, slow_after: float
) -> Reading:
    """Take a reading of `versions`. The first one of a segment only sets its base. slow_after: of LATENCY_EDGES."""
    missing = [version for version in versions if version not in counters]
    if missing:
        return Reading(segment, problem=f"no counters of {', '.join(missing)}")
    now = {version: counters[version] for version in versions}
    if segment is None or any(_replaced(segment.last.get(version), now[version]) for version in versions):
        return Reading(_begin(now))
    for version in versions:
        if segment.last[version].proxy_errors is not None and now[version].proxy_errors is None:
            return Reading(segment, problem=f"counters of {version}: the proxy gave none, and did before")
        if _backwards(segment.last[version], now[version]):  # which of both is wrong? Neither is a base for more
            return Reading(None, problem=f"counters of {version}: went backwards without a restart")
        if segment.last[version].proxy_errors is None and now[version].proxy_errors is not None:
            return Reading(_begin(now), problem=f"counters of {version}: the proxy gave some, and did not before")
    window, taken = {}, {}
    for version in versions:
        counts = _counted(segment.base[version], now[version], LATENCY_EDGES.index(slow_after))
        before = segment.taken[version]
        window[version] = {name: _since(before.get(name, NONE), found) for name, found in counts.items()}
        taken[version] = {name: _plus(before.get(name, NONE), found) for name, found in window[version].items()}
    return Reading(Segment(segment.base, now, taken), window)


def _begin(now: Mapping[Version, Counters]) -> Segment:
    return Segment(now, now, {version: {} for version in now})


def _since(taken: Counted, counted: Counted) -> Counted:
    """What came since. A bad event that was read a moment before its exposure is left for the next window."""
    exposure = counted.exposure - taken.exposure
    return Counted(exposure, min(counted.bad - taken.bad, exposure))


def _plus(one: Counted, other: Counted) -> Counted:
    return Counted(one.exposure + other.exposure, one.bad + other.bad)


def _replaced(before: Counters | None, now: Counters) -> bool:
    return before is None or before.incarnation != now.incarnation


def _backwards(before: Counters, now: Counters) -> bool:
    pairs = (
        (before.good, now.good),
        (before.refused, now.refused),
        (before.predictor_errors, now.predictor_errors),
        (before.proxy_errors or 0, now.proxy_errors or 0),
        (before.images, now.images),
        (before.low_confidence, now.low_confidence),
        *zip(before.within, now.within, strict=True),
    )
    return any(later < earlier for earlier, later in pairs)


def _counted(base: Counters, now: Counters, edge: int) -> Counts:
    """Since `base`, per signal. edge: the place of the SLO among the edges.

    Errors are the larger of both counts, never the sum, taken over the whole segment, so that an error which the two
    sources show in different readings counts once.
    """
    proxy = (now.proxy_errors or 0) - (base.proxy_errors or 0)
    errors = max(now.predictor_errors - base.predictor_errors, proxy)
    good, refused = now.good - base.good, now.refused - base.refused
    return {
        ERRORS: Counted(good + errors, errors),
        LATENCY: Counted(good + errors, good - (now.within[edge] - base.within[edge])),
        REFUSED: Counted(good + errors + refused, refused),
        LOW_CONFIDENCE: Counted(now.images - base.images, now.low_confidence - base.low_confidence),
        RATIO: Counted(good + errors + refused, 0),
    }


class Answering(NamedTuple):
    """Since when the processes behind a revision's counters have been seen to answer."""

    incarnation: str
    since: datetime


def answering(
    before: Mapping[Version, Answering], counters: Mapping[Version, Counters], now: datetime
) -> Mapping[Version, Answering]:
    """The same after one more reading; a revision that gave no counters stays as it was."""
    seen = {
        version: Answering(found.incarnation, now)
        for version, found in counters.items()
        if found.good and (version not in before or before[version].incarnation != found.incarnation)
    }
    return {**before, **seen}


@dataclass(frozen=True)
class Uptime:
    """What was seen of canary and stable at one moment, to count restarts from. It outlives every change of weights:
    a revision that was started again has lost them."""

    time: datetime
    canary: ObservedRevision
    stable: ObservedRevision


def restarts(before: Uptime, now: Uptime) -> Window | None:
    """Restarts since, in milliseconds of pods; None when a count went back, as its keeper was replaced."""
    elapsed = round((now.time - before.time).total_seconds() * 1000)
    canary = now.canary.restarts - before.canary.restarts
    stable = now.stable.restarts - before.stable.restarts
    # A revision without a ready pod has one that starts or waits to.
    exposure = [elapsed * max(revision.pods, 1) for revision in (before.canary, before.stable)]
    if not 0 <= canary <= exposure[0] or not 0 <= stable <= exposure[1]:
        return None
    return Window(exposure[0], canary, exposure[1], stable)
