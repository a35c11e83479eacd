"""The sentence that says what a model waits for: for whoever watches, and never read by a decision."""

from datetime import datetime, timedelta

from registry.domain.documents import timestamp
from registry.domain.observation import Observation
from registry.domain.rollout import settled
from registry.domain.signals import SIGNALS
from registry.domain.state import Guarding, Rollout, State
from registry.domain.verdict import Outcome, Verdict


def awaited(state: State, observation: Observation, verdict: Verdict | None, *, now: datetime) -> str:
    """What happens next, and what has to come first."""
    if state.rollout is not None:
        return _rollout(state, state.rollout, observation, verdict, now)
    if state.requests:
        asked = state.requests[0]
        if asked.staged is not None:
            return f"version {asked.version} answers in staging, where its latency is measured"
        return f"the controller answers {asked.action} of {asked.by}"
    if state.guarding is not None:
        return _guarding(state.guarding, verdict)
    if state.production is None:
        newest = max(state.versions.values(), key=lambda version: version.sequence, default=None)
        first = f"`geometry promote {newest.version} --to production`" if newest else "`geometry train`"
        return f"nothing is served yet: {first}"
    return "nothing is in progress"


def _rollout(state: State, rollout: Rollout, observation: Observation, verdict: Verdict | None, now: datetime) -> str:
    end = f"withdrawn at {timestamp(rollout.started + timedelta(seconds=rollout.plan.deadline))} if undecided"
    revision = observation.revisions.get(rollout.version)
    if rollout.step < 0 or rollout.withheld:
        start = "until then it has no traffic" if rollout.withheld else "then the first step"
        tries = f", started {revision.restarts + 1} times" if revision is not None and revision.restarts else ""
        trouble = f" ({revision.problem})" if revision is not None and revision.problem else ""
        return f"version {rollout.version} gets ready{tries}{trouble}; {start}; {end}"
    step, after = rollout.plan.steps[rollout.step], _next(rollout)
    if rollout.paused is not None:
        return f"`geometry resume`; until then {step.name} stays, and {after} comes later; {end}"
    if not step.weight:
        passes = f"{max(rollout.soak_left(now), 0):.0f} s of {step.name} pass"
        needs = _evidence(rollout, verdict) if verdict is not None else []
        return f"{' and '.join([passes, *needs])}, then {after}"
    if not settled(state, observation, now):
        return f"the proxy sends {rollout.weight} % to version {rollout.version}, and 3 s pass"
    if rollout.plan.comparison:
        passes = duration(max(rollout.soak_left(now), 0))
        return f"{passes} of the comparison pass, then version {rollout.base} has all requests again"
    if verdict is None:
        return f"a first reading of both versions; {end}"
    if verdict.outcome is Outcome.ERROR:
        return f"evidence that can be read: {verdict.message}; {end}"
    left = rollout.soak_left(now)
    waits = [f"{left:.0f} s of this step pass"] if left > 0 else []
    return f"{' and '.join([*waits, *_evidence(rollout, verdict)]) or 'the next turn'}, then {after}"


def _next(rollout: Rollout) -> str:
    later = rollout.plan.steps[rollout.step + 1 :]
    return later[0].name if later else "100 %"


def _evidence(rollout: Rollout, verdict: Verdict) -> list[str]:
    """What the signal that takes longest still needs, and how long that takes at the rate since the step began."""
    name = verdict.numbers["signal"]
    needed, seconds = verdict.numbers["signals"][name].get("cleanNeeded", 0), verdict.numbers["secondsNeeded"]
    if not needed:
        return []
    pace = "none came yet" if seconds is None else f"{duration(seconds)} at the present rate"
    return [f"{needed:,} clean {SIGNALS[name].exposed} more of version {rollout.version} on {name} ({pace})"]


def duration(seconds: float) -> str:
    """For people: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for unit, size, below in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172800)):
        if seconds < below:
            return f"{seconds / size:.1f} {unit}" if unit == "h" else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"


def _guarding(guarding: Guarding, verdict: Verdict | None) -> str:
    end = timestamp(guarding.since + timedelta(seconds=guarding.plan.rollback_window))
    trouble = f"; {verdict.message}" if verdict is not None and verdict.outcome is Outcome.ERROR else ""
    back = (
        f"`geometry rollback` returns to {guarding.previous} at once" if guarding.previous else "there is none before"
    )
    return f"the rollback window of version {guarding.version} ends at {end}; {back}{trouble}"
