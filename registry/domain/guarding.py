"""The rollback window after a promotion: the new version has all traffic, the old one waits at weight 0."""

from dataclasses import replace

from registry.domain.journal import Draft, Kind
from registry.domain.judge import StartMixture, guard
from registry.domain.rollout import absolute_fault, last_counters, settled, verdict_draft
from registry.domain.signals import ERRORS
from registry.domain.state import Guarding
from registry.domain.turn import CONTROLLER, EVIDENCE_EVERY, Decision, Memory, Turn
from registry.domain.verdict import Outcome, Verdict, judge_guard, judge_labels
from registry.domain.windows import read


def watch(turn: Turn, guarding: Guarding) -> Decision:
    """The next entries inside a rollback window."""
    memory = _memory(turn, guarding)
    revision = turn.observation.revisions.get(guarding.version)
    fault = absolute_fault(turn, guarding.version, revision, since=guarding.started, waiting=False)
    if fault is not None and _can_go_back(turn, guarding):
        return Decision((go_back(guarding, fault, actor=CONTROLLER, request=None),), memory)
    late = judge_labels(guarding.labels, guarding.plan)
    if late is not None and _can_go_back(turn, guarding):
        back = go_back(guarding, f"{late.reason}; {late.message}", actor=CONTROLLER, request=None)
        return Decision((verdict_draft(late, version=guarding.version), back), memory, late)
    if turn.jumped:
        return Decision((), replace(memory, segment=None))
    judged = settled(turn.state, turn.observation, turn.now)
    decision = _judge(turn, guarding, memory) if judged else Decision((), replace(memory, segment=None))
    over = (turn.now - guarding.since).total_seconds() > guarding.plan.rollback_window
    if over and all(draft.kind is not Kind.ROLLED_BACK for draft in decision.drafts):  # rollback wins
        return Decision(close(guarding, decision.memory), decision.memory)
    return decision


def mixture_of(guarding: Guarding, memory: Memory) -> StartMixture:
    """What the guard knows: as the last turn left it, else as the journal has it."""
    return memory.mixture if memory.subject == _subject(guarding) else guarding.mixture


def _subject(guarding: Guarding) -> tuple[str, ...]:
    return ("guard", guarding.version, guarding.since.isoformat())


def _memory(turn: Turn, guarding: Guarding) -> Memory:
    if turn.memory.subject == _subject(guarding):
        return turn.memory
    return Memory(
        _subject(guarding),
        mixture=guarding.mixture,
        good=guarding.good,
        bad=guarding.bad,
        recorded=turn.now,
        last_turn=turn.memory.last_turn,
    )


def _can_go_back(turn: Turn, guarding: Guarding) -> bool:
    """Whether the old version is there, ready and what was recorded."""
    if guarding.previous is None:
        return False
    old = turn.observation.revisions.get(guarding.previous)
    return old is not None and old.ready and old.digest == turn.state.version(guarding.previous).digest


def _judge(turn: Turn, guarding: Guarding, memory: Memory) -> Decision:
    reading = read(memory.segment, turn.observation.counters, (guarding.version,), slow_after=guarding.plan.slow_after)
    memory = replace(memory, segment=reading.segment)
    if reading.window is not None:
        exposure, bad = reading.window[guarding.version][ERRORS]
        mixture = guard(memory.mixture, exposure=exposure, bad=bad, floor=guarding.plan.floor)
        memory = replace(memory, mixture=mixture, good=memory.good + exposure - bad, bad=memory.bad + bad)
    verdict = judge_guard(memory.mixture, guarding.plan, good=memory.good, bad=memory.bad, problem=reading.problem)
    back = verdict.outcome is Outcome.ROLLBACK and _can_go_back(turn, guarding)
    news = verdict.key != guarding.verdict
    drafts = []
    if back or news or memory.recorded is None or turn.now - memory.recorded >= EVIDENCE_EVERY:
        drafts.append(_evidence(memory))
        memory = replace(memory, recorded=turn.now)
    if news:
        drafts.append(verdict_draft(verdict, version=guarding.version))
    if back:
        drafts.append(go_back(guarding, f"{verdict.reason}; {verdict.message}", actor=CONTROLLER, request=None))
    return Decision(tuple(drafts), memory, verdict)


def _evidence(memory: Memory) -> Draft:
    seen = {
        "windows": memory.mixture.windows,
        "logs": list(memory.mixture.logs),
        "good": memory.good,
        "bad": memory.bad,
    }
    return Draft(Kind.EVIDENCE, CONTROLLER, {"guard": seen, "counters": last_counters(memory)})


def go_back(guarding: Guarding, reason: str, *, actor: str, request: str | None) -> Draft:
    """The entry that returns production to the version before."""
    data = {"version": guarding.version, "to": guarding.previous, "reason": reason, "request": request}
    return Draft(Kind.ROLLED_BACK, actor, data)


def close(guarding: Guarding, memory: Memory) -> tuple[Draft, ...]:
    """The entries that end the rollback window; the version before is dropped with it."""
    verdict = judge_guard(memory.mixture, guarding.plan, good=memory.good, bad=memory.bad, problem=None)
    done = Verdict(Outcome.PROMOTE, "rollback window over", verdict.message, verdict.numbers)
    return (_evidence(memory), verdict_draft(done, version=guarding.version, closed=True))
