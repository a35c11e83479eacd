"""What is known of a model's drift as plain values, for people, programs and metrics.

{version, evaluated: time or null, ticks, log_e, bound, problem: text or null, open: {answers, seconds},
 signals: [{signal, status: alarm | watched | warming | none, since: time or null, log_e, dispersion: number or null,
            psi, js, answers, reference, against: production or card, moved: [{name, expected, seen}]  (null: unknown),
            reason: text}]}

log_e: natural logarithm, of a signal its part of the mean of all; what alarms is `log_e` of the whole at `bound`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from registry.domain.documents import moment, timestamp
from registry.domain.drift import FEWEST, RECENT, TICK
from registry.domain.drift_counts import CLASSES, SIGNALS
from registry.domain.drift_effects import effect
from registry.domain.drift_reference import DAY
from registry.domain.drift_reference import FEWEST as TICKS
from registry.domain.drift_watch import LOG_BOUND, SHARE, Subject, Watch
from registry.domain.policy import DriftPolicy
from registry.domain.version import Model

UNKNOWN: Mapping[str, Any] = dict.fromkeys(("psi", "js", "answers", "reference", "against"), None)


def report(watch: Watch, subject: Subject, policy: DriftPolicy) -> dict[str, Any]:
    """Of the version in production."""
    return {
        "version": subject.version,
        "evaluated": timestamp(watch.evaluated) if watch.evaluated is not None else None,
        "ticks": watch.ticks,
        "log_e": _log(watch.log),
        "bound": round(LOG_BOUND, 3),
        "problem": watch.problem,
        "open": {"answers": watch.open.answers, "seconds": round(watch.seconds, 1)},
        "signals": [_signal(watch, name, subject, policy) for name in SIGNALS],
    }


def _log(value: float) -> float | None:
    """None where there is no evidence yet."""
    return round(value, 3) if value > -1e6 else None


def _signal(watch: Watch, name: str, subject: Subject, policy: DriftPolicy) -> dict[str, Any]:
    signal, phi = watch.signal(name), watch.dispersion(name)
    status, reason = _status(watch, name, subject, policy)
    alarm = signal.alarm
    ticks = RECENT if alarm is None else watch.ticks - alarm.raised + alarm.took
    seen = effect(watch, name, signal, subject, ticks=ticks)
    return {
        "signal": name,
        "status": status,
        "since": timestamp(alarm.since) if alarm is not None else None,
        "log_e": _log(signal.log - SHARE),
        "dispersion": round(phi, 3) if phi is not None else None,
        **({**UNKNOWN, "moved": []} if seen is None else seen.document()),
        "reason": reason,
    }


def _status(watch: Watch, name: str, subject: Subject, policy: DriftPolicy) -> tuple[str, str]:
    """One word, and why it is not more than that."""
    signal = watch.signal(name)
    if signal.alarm is not None:
        return "alarm", ""
    if name != CLASSES and name not in subject.references:
        return "none", f"the card of version {subject.version} has no reference of it"
    if name == CLASSES and len(subject.classes) < 2:
        return "none", "with one class there is nothing that could move"
    if not signal.counts:
        tick = f"a tick takes {FEWEST} answers and {TICK:.0f} s"
        return "warming", tick if not watch.ticks else "predictors count nothing of it that fits the card"
    if name == CLASSES and watch.dispersions is None:
        needed = policy.minimum * (watch.dispersion(CLASSES) or 1.0)
        answers, days = (watch.week.answers, watch.week.watched / DAY) if watch.week is not None else (0, 0.0)
        return (
            "warming",
            f"learns production's: {answers} of {needed:.0f} answers, {days:.1f} of {policy.days:g} days",
        )
    if watch.dispersion(name) is None:
        return "warming", f"learns how answers vary: {signal.spreads.fine.ticks} of {TICKS} ticks"
    return "watched", ""


def drift_samples(model: Model, found: Mapping[str, Any] | None) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Values of the drift metrics: name, label values and value. found: a report, None where nothing is watched. Every
    signal is there from the first report on; what is not known is 0."""
    evaluated = found["evaluated"] if found is not None else None
    yield "ml_geometry_prediction_drift_threshold", (model,), round(LOG_BOUND, 3)
    time = moment(evaluated).timestamp() if evaluated is not None else 0.0
    yield "ml_geometry_prediction_drift_last_evaluation_timestamp_seconds", (model,), time
    for each in found["signals"] if found is not None else ():
        labels = (model, found["version"] if found is not None else "", each["signal"])
        known = each["status"] in ("alarm", "watched")
        yield "ml_geometry_prediction_drift", labels, each["log_e"] or 0.0
        yield "ml_geometry_prediction_drift_alarm", labels, float(each["status"] == "alarm")
        yield "ml_geometry_prediction_drift_effect_psi", labels, each["psi"] or 0.0
        yield "ml_geometry_prediction_drift_reference_size", labels, float(each["reference"] or 0) if known else 0.0
