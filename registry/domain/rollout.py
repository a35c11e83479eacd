"""What a rollout in progress needs next: wait, step, withhold, promote, roll back or expire.

A comparison is one of a single step, after which it expires as it was meant to.

Pure: the state the journal tells, what was seen, and the time go in; drafts and memory come out.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from registry.domain.journal import Draft, Kind
from registry.domain.judge import NOTHING, Evidence
from registry.domain.observation import Observation, ObservedRevision
from registry.domain.signals import ERRORS, LABELS
from registry.domain.standing import Standing
from registry.domain.state import Rollout, State, release
from registry.domain.turn import CONTROLLER, EVIDENCE_EVERY, SETTLING, Decision, Memory, Turn
from registry.domain.verdict import Outcome, Verdict, judge_step
from registry.domain.version import Version
from registry.domain.weighing import blocking, count_agreement, count_restarts, weigh
from registry.domain.windows import answering, read

CRASH_LOOP, CRASH_PACE = 5, timedelta(minutes=2)
"""So many restarts of a canary are a crash loop, when there was one in so much of its time on average: a pod that is
moved twice an hour is none, and restarts are a signal of their own."""

NO_ENDPOINT = timedelta(seconds=60)
"""A revision without a ready endpoint for so long is harmful whatever its counters say."""


def advance(turn: Turn, rollout: Rollout) -> Decision:
    """The next entries of a rollout in progress.

    Paused, it keeps its weight and goes on collecting evidence, and takes no step up. What is harmful goes back all the
    same, a canary without endpoint loses its weight and gets it back, and the deadline still runs.
    """
    memory = _memory(turn, rollout)
    uptime, evidence = count_restarts(turn, rollout, memory)
    memory = replace(memory, uptime=uptime, evidence=evidence)
    memory = replace(memory, evidence=count_agreement(turn, rollout, memory))
    canary = turn.observation.revisions.get(rollout.version)
    fault = absolute_fault(turn, rollout.version, canary, since=rollout.started, waiting=rollout.step < 0)
    if fault is not None:
        return Decision((_rolled_back(rollout, fault, {}),), memory)
    if not turn.jumped and (turn.now - rollout.started).total_seconds() > rollout.plan.deadline:
        reason = f"undecided after {rollout.plan.deadline:g} s"
        unready = f"; {_without_endpoint(canary)}" if canary is not None and not canary.ready else ""
        return Decision((_expired(rollout, reason + unready, {}),), memory)
    ready = canary is not None and canary.ready and canary.digest == turn.state.version(rollout.version).digest
    if rollout.step < 0 or rollout.withheld:
        waits = rollout.step < 0 and rollout.paused is not None
        return Decision((_go_on(turn, rollout),) if ready and not waits else (), memory)
    if canary is None or not canary.ready:
        reason = _without_endpoint(canary)
        withheld = Draft(Kind.WITHHELD, CONTROLLER, {"version": rollout.version, "weight": 0, "reason": reason})
        return Decision((withheld,), memory)
    problem = None if ready else "the canary did not say which digest it serves"
    if not rollout.plan.steps[rollout.step].weight:
        return _unweighted(turn, rollout, memory, problem=problem)
    return _judge(turn, rollout, memory, problem=problem)


def _unweighted(turn: Turn, rollout: Rollout, memory: Memory, *, problem: str | None) -> Decision:
    """A canary that is reached by header or mirrored to goes on after its soak; no live answer is its own.

    Of pairs it may be judged: they send it back at any step, and a step with a mirror may wait for them.
    """
    if turn.jumped:
        return Decision((), memory)
    standing = _standing(turn, rollout, memory)
    if rollout.plan.steps[rollout.step].mirror or standing.harmful:
        verdict = judge_step(standing, soaked=rollout.soaked(turn.now), problem=problem)
        return _conclude(turn, rollout, memory, _unless_paused(rollout, verdict))
    goes_on = problem is None and rollout.paused is None and rollout.soaked(turn.now)
    return Decision((_stepped(turn, rollout, rollout.step + 1),) if goes_on else (), memory)


def _standing(turn: Turn, rollout: Rollout, memory: Memory) -> Standing:
    """All that is known of the canary at its step."""
    seconds = (turn.now - rollout.stepped).total_seconds() if rollout.stepped is not None else 0.0
    weight = rollout.plan.steps[rollout.step].weight
    return Standing(_known(rollout, memory), rollout.plan, weight, seconds, blocking(turn, rollout))


def _known(rollout: Rollout, memory: Memory) -> Mapping[str, Evidence]:
    """The evidence of this turn; that of labels is the journal's alone."""
    if LABELS not in rollout.plan.floors:
        return memory.evidence
    return {**memory.evidence, LABELS: rollout.evidence.get(LABELS, NOTHING)}


def evidence_of(rollout: Rollout, memory: Memory) -> Mapping[str, Evidence]:
    """What is known of a rollout's canary: this step's as the last turn left it, else as the journal has it."""
    fresh = memory.subject[:3] == ("rollout", rollout.request, str(rollout.step))
    return _known(rollout, memory) if fresh else rollout.evidence


def _unless_paused(rollout: Rollout, verdict: Verdict) -> Verdict:
    """What is paused takes no step up."""
    if rollout.paused is not None and verdict.outcome in (Outcome.PROMOTE, Outcome.HOLD):
        return Verdict(Outcome.HOLD, "paused", verdict.message, verdict.numbers)
    return verdict


def _memory(turn: Turn, rollout: Rollout) -> Memory:
    """The memory of this rollout at this step, from the journal when it is not at hand."""
    subject = ("rollout", rollout.request, str(rollout.step), str(rollout.withheld))
    if turn.memory.subject == subject:
        return turn.memory
    before = turn.memory
    if before.subject[:2] != subject[:2]:
        return Memory(subject, evidence=rollout.evidence, recorded=turn.now, last_turn=before.last_turn)
    if before.subject[:3] != subject[:3]:
        before = replace(before, evidence=rollout.evidence, recorded=turn.now)
    return replace(before, subject=subject, segment=None)


def absolute_fault(
    turn: Turn, version: Version, revision: ObservedRevision | None, *, since: datetime, waiting: bool
) -> str | None:
    """A fault that ends it at once, outside of α: wrong digest, crash loop, memory, no ready endpoint for 60 s.

    since: when its restarts began to count.
    """
    if revision is None:
        return None
    wanted = turn.state.version(version).digest
    if revision.digest is not None and revision.digest != wanted:
        return f"serves digest {revision.digest[:12]}, recorded is {wanted[:12]}"
    crashes = revision.restarts
    if not revision.ready and crashes >= CRASH_LOOP and crashes * CRASH_PACE >= turn.now - since:
        return f"crash loop: {crashes} restarts in {(turn.now - since).total_seconds():.0f} s"
    if revision.out_of_memory:
        return "ended for the memory it took"
    unready = revision.unready_since
    if not waiting and not turn.jumped and unready is not None and turn.now - unready > NO_ENDPOINT:
        return f"no ready endpoint for {(turn.now - unready).total_seconds():.0f} s"
    return None


def _without_endpoint(canary: ObservedRevision | None) -> str:
    """With what keeps it from having one, in the substrate's words."""
    told = f" ({canary.problem})" if canary is not None and canary.problem else ""
    return f"the canary has no ready endpoint{told}"


def _go_on(turn: Turn, rollout: Rollout) -> Draft:
    """The canary is ready: give it (back) its weight; without steps it is promoted."""
    if not rollout.plan.steps or rollout.base is None:
        reason = "first version" if rollout.base is None else "rollback to a version that was in production"
        return _promoted(rollout, reason, {})
    return _stepped(turn, rollout, max(rollout.step, 0))


def _judge(turn: Turn, rollout: Rollout, memory: Memory, *, problem: str | None) -> Decision:
    if rollout.base is None:
        raise ValueError(f"rollout of {rollout.version} has steps and nothing to compare with")
    plan, base = rollout.plan, rollout.base
    if not settled(turn.state, turn.observation, turn.now) or turn.jumped:
        return Decision((), replace(memory, segment=None))
    counters = turn.observation.counters
    reading = read(memory.segment, counters, (rollout.version, base), slow_after=plan.slow_after)
    memory = replace(memory, segment=reading.segment, answering=answering(memory.answering, counters, turn.now))
    if reading.window is not None:
        memory = replace(memory, evidence=weigh(turn, rollout, base, memory, reading.window))
    soaked = rollout.soaked(turn.now) and reading.window is not None
    verdict = judge_step(_standing(turn, rollout, memory), soaked=soaked, problem=problem or reading.problem)
    return _conclude(turn, rollout, memory, _unless_paused(rollout, verdict))


def settled(state: State, observation: Observation, now: datetime) -> bool:
    """Whether the proxy has applied the wanted weights for long enough that answers belong to them."""
    route = observation.route
    if route is None or now - route.since < SETTLING:
        return False
    wanted = {version: weight for version, weight in release(state).weights.items() if weight}
    return {version: weight for version, weight in route.weights.items() if weight} == wanted


def _conclude(turn: Turn, rollout: Rollout, memory: Memory, verdict: Verdict) -> Decision:
    """The entries that a verdict brings with it."""
    over = rollout.plan.comparison and rollout.soaked(turn.now)
    ends = over or verdict.outcome in (Outcome.PROMOTE, Outcome.ROLLBACK)
    news = verdict.key != rollout.verdict
    due = memory.recorded is None or turn.now - memory.recorded >= EVIDENCE_EVERY
    drafts = []
    if ends or news or due:
        found = {ERRORS: NOTHING, **_known(rollout, memory)}
        data = {"step": rollout.step, **{name: evidence.document() for name, evidence in found.items()}}
        drafts.append(Draft(Kind.EVIDENCE, CONTROLLER, {**data, "counters": last_counters(memory)}))
        memory = replace(memory, recorded=turn.now)
    if ends or news:
        drafts.append(verdict_draft(verdict, version=rollout.version))
    if verdict.outcome is Outcome.ROLLBACK:
        drafts.append(_rolled_back(rollout, f"{verdict.reason}; {verdict.message}", verdict.numbers))
    elif over:
        drafts.append(_expired(rollout, f"comparison over; {verdict.message}", verdict.numbers))
    elif verdict.outcome is Outcome.PROMOTE and rollout.step + 1 < len(rollout.plan.steps):
        drafts.append(_stepped(turn, rollout, rollout.step + 1))
    elif verdict.outcome is Outcome.PROMOTE:
        drafts.append(_promoted(rollout, f"{verdict.reason}; {verdict.message}", verdict.numbers))
    return Decision(tuple(drafts), memory, verdict)


def last_counters(memory: Memory) -> dict[str, dict[str, Any]]:
    """The reading that the last window ended with, for whoever audits the evidence."""
    if memory.segment is None:
        return {}
    return {version: asdict(counters) for version, counters in memory.segment.last.items()}


def verdict_draft(verdict: Verdict, *, version: Version, closed: bool = False) -> Draft:
    """The `verdict` entry. closed: it ends the rollback window."""
    data = {
        "version": version,
        "verdict": verdict.outcome.value,
        "reason": verdict.reason,
        "message": verdict.message,
        "numbers": dict(verdict.numbers),
    }
    return Draft(Kind.VERDICT, CONTROLLER, {**data, "closed": True} if closed else data)


def _stepped(turn: Turn, rollout: Rollout, step: int) -> Draft:
    """pods: what production has now, which the canary's are a share of until the next step.

    At most as many as the policy allows: what is added for a moment would stay for the rollout.
    """
    planned, base = rollout.plan.steps[step], turn.observation.revisions.get(rollout.base or rollout.version)
    seen = min(base.pods, turn.policy.serving.max_replicas) if base is not None else 0
    pods = max(rollout.plan.min_replicas, seen)
    data = {"version": rollout.version, "step": step, "weight": planned.weight, "pods": pods}
    mirrored = {"mirror": planned.mirror} if planned.mirror else {}
    return Draft(Kind.STEPPED, CONTROLLER, {**data, **mirrored})


def _promoted(rollout: Rollout, reason: str, numbers: Mapping[str, Any]) -> Draft:
    data = {"version": rollout.version, "from": rollout.base, "reason": reason, "numbers": dict(numbers)}
    return Draft(Kind.PROMOTED, CONTROLLER, data)


def _rolled_back(rollout: Rollout, reason: str, numbers: Mapping[str, Any]) -> Draft:
    data = {"version": rollout.version, "to": rollout.base, "reason": reason, "numbers": dict(numbers)}
    return Draft(Kind.ROLLED_BACK, CONTROLLER, data)


def _expired(rollout: Rollout, reason: str, numbers: Mapping[str, Any]) -> Draft:
    """numbers: of a comparison whose time is over; without them it did not come to that."""
    data = {"version": rollout.version, "to": rollout.base, "reason": reason}
    return Draft(Kind.EXPIRED, CONTROLLER, {**data, "numbers": dict(numbers)} if numbers else data)
