"""From cumulative counters to the windows that the judge reads.

A segment begins with a first reading and goes on as long as weights and endpoints stay as they are; each further
reading closes a window. Missing or contradictory readings close none: they are a problem to be named, never evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from registry.domain.observation import Counters
from registry.domain.version import Version


class Counted(NamedTuple):
    """Judged answers of one revision: exposure (all that are no 4xx) and how many of them were server errors."""

    exposure: int
    bad: int


@dataclass(frozen=True)
class Segment:
    """base: the first reading. last: the newest one. counted: what windows already took since base."""

    base: Mapping[Version, Counters]
    last: Mapping[Version, Counters]
    counted: Mapping[Version, Counted]


@dataclass(frozen=True)
class Reading:
    """What one reading gave: the segment to go on with, the window it closed (None: none), the problem it had."""

    segment: Segment | None
    window: Mapping[Version, Counted] | None = None
    problem: str | None = None


def read(segment: Segment | None, counters: Mapping[Version, Counters], versions: Sequence[Version]) -> Reading:
    """Take a reading of `versions`. The first one of a segment only sets its base."""
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
    counted = {version: _counted(segment.base[version], now[version]) for version in versions}
    window = {
        version: Counted(
            counted[version].exposure - segment.counted[version].exposure,
            counted[version].bad - segment.counted[version].bad,
        )
        for version in versions
    }
    return Reading(Segment(segment.base, now, counted), window)


def _begin(now: Mapping[Version, Counters]) -> Segment:
    return Segment(now, now, dict.fromkeys(now, Counted(0, 0)))


def _replaced(before: Counters | None, now: Counters) -> bool:
    return before is None or before.incarnation != now.incarnation


def _backwards(before: Counters, now: Counters) -> bool:
    pairs = (
        (before.good, now.good),
        (before.refused, now.refused),
        (before.predictor_errors, now.predictor_errors),
        (before.proxy_errors or 0, now.proxy_errors or 0),
    )
    return any(later < earlier for earlier, later in pairs)


def _counted(base: Counters, now: Counters) -> Counted:
    """Since `base`: errors are the larger of both counts, never the sum.

    Taken over the whole segment, so that an error which the two sources show in different readings counts once.
    """
    proxy = (now.proxy_errors or 0) - (base.proxy_errors or 0)
    bad = max(now.predictor_errors - base.predictor_errors, proxy)
    return Counted(now.good - base.good + bad, bad)
