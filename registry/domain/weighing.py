"""What one turn adds to the evidence on each signal, and which signals hold a canary back at its step."""

from collections.abc import Mapping
from typing import NamedTuple

from registry.domain.answers import SILENT, new_pairs
from registry.domain.judge import NOTHING, Evidence, Window
from registry.domain.signals import AGREEMENT, LABELS, LATENCY, RATIO, RESTARTS, SIGNALS
from registry.domain.state import Rollout
from registry.domain.turn import Memory, Turn
from registry.domain.version import Version
from registry.domain.windows import Counts, Uptime, restarts

EQUAL_LOAD = 1.25
"""Latencies are compared both ways while no revision has more than so many times the other's load per pod."""


class Use(NamedTuple):
    """What a window of a signal may be evidence for."""

    harm: bool
    health: bool


def weigh(
    turn: Turn, rollout: Rollout, base: Version, memory: Memory, window: Mapping[Version, Counts]
) -> Mapping[str, Evidence]:
    """The evidence per signal after a window of counters."""
    evidence, margin = dict(memory.evidence), rollout.plan.margin(rollout.plan.steps[rollout.step].weight)
    for name, use in _uses(turn, rollout, base, memory).items():
        canary, stable = window[rollout.version][name], window[base][name]
        evidence[name] = evidence.get(name, NOTHING).add(
            Window(canary.exposure, canary.bad, stable.exposure, stable.bad),
            margin=margin,
            floor=rollout.plan.floors.get(name, 0.0),
            rolls_back=use.harm,
            blocks=use.health,
        )
    return evidence


def _uses(turn: Turn, rollout: Rollout, base: Version, memory: Memory) -> Mapping[str, Use]:
    """The signals that this turn's window of counters is evidence on."""
    uses = {
        name: Use(signal.rolls_back, signal.blocks)
        for name, signal in SIGNALS.items()
        if name in rollout.plan.floors and name not in (LATENCY, RESTARTS, LABELS, AGREEMENT)
    }
    if LATENCY in rollout.plan.floors and _warm(turn, rollout, base, memory):
        uses[LATENCY] = _latency(turn, rollout, base)
    stable = turn.observation.revisions.get(base)
    if stable is not None and stable.ready:
        uses[RATIO] = Use(harm=False, health=False)
    return uses


def _latency(turn: Turn, rollout: Rollout, base: Version) -> Use:
    """A revision with less load per pod may well be faster: then slowness is its own fault, and speed no merit."""
    weight, seen = rollout.plan.steps[rollout.step].weight, turn.observation.revisions
    if rollout.version not in seen or base not in seen:
        return Use(harm=False, health=False)
    canary, stable = weight / max(seen[rollout.version].pods, 1), (100 - weight) / max(seen[base].pods, 1)
    level = canary <= EQUAL_LOAD * stable and stable <= EQUAL_LOAD * canary
    return Use(harm=level or canary < stable, health=level)


def _warm(turn: Turn, rollout: Rollout, base: Version, memory: Memory) -> bool:
    """Whether both revisions have answered for the time of warming up."""
    since = [memory.answering[version].since for version in (rollout.version, base) if version in memory.answering]
    return len(since) == 2 and (turn.now - max(since)).total_seconds() >= rollout.plan.warmup


def blocking(turn: Turn, rollout: Rollout) -> tuple[str, ...]:
    """The signals without whose evidence of health the canary does not leave its step."""
    step = rollout.plan.steps[rollout.step]
    if not step.weight:
        return rollout.plan.block if step.mirror else ()
    judged = [name for name, signal in SIGNALS.items() if signal.blocks and name in rollout.plan.floors]
    level = rollout.base is not None and _latency(turn, rollout, rollout.base).health
    return tuple(name for name in judged if name != LATENCY or level)


def count_restarts(turn: Turn, rollout: Rollout, memory: Memory) -> tuple[Uptime | None, Mapping[str, Evidence]]:
    """Both revisions as this turn saw them, and the evidence with what was started again since the turn before."""
    seen, base = turn.observation.revisions, rollout.base
    if base is None or rollout.version not in seen or base not in seen or RESTARTS not in rollout.plan.floors:
        return None, memory.evidence
    now = Uptime(turn.now, seen[rollout.version], seen[base])
    window = restarts(memory.uptime, now) if memory.uptime is not None and not turn.jumped else None
    if window is None:
        return now, memory.evidence
    found = memory.evidence.get(RESTARTS, NOTHING)
    # Neither margin nor floor matters: restarts block nothing.
    added = found.add(window, margin=1.0, floor=0.0, blocks=False)
    return now, {**memory.evidence, RESTARTS: added}


def count_agreement(turn: Turn, rollout: Rollout, memory: Memory) -> Mapping[str, Evidence]:
    """The evidence with the pairs that this turn made; without a minimum they are counted and not judged."""
    answers, base = turn.observation.answers, rollout.base
    if base is None or not rollout.plan.mirrors:
        return memory.evidence
    pairs = list(new_pairs(answers.get(rollout.version, SILENT), answers.get(base, SILENT)))
    if not pairs:
        return memory.evidence
    added = memory.evidence.get(AGREEMENT, NOTHING).add_alone(
        exposure=len(pairs),
        bad=sum(one.canary != one.stable for one in pairs),
        floor=rollout.plan.floors.get(AGREEMENT),
    )
    return {**memory.evidence, AGREEMENT: added}
