"""decide: one turn's observation → the journal entries that follow from it. Pure; the controller records, then acts."""

from dataclasses import replace

from registry.domain.control import CONTROLS
from registry.domain.guarding import watch
from registry.domain.journal import Draft, Kind
from registry.domain.labels import labelled
from registry.domain.requests import answer
from registry.domain.rollout import advance
from registry.domain.turn import CONTROLLER, Decision, Turn


def decide(turn: Turn) -> Decision:
    """What came in first: newly found versions, or labels beside all else. Then a request to go back or to pause, then
    what is in progress, then the oldest request."""
    decision = _decide(turn)
    drafts = (*labelled(turn.state, turn.observation.answers, turn.labels), *decision.drafts)
    return replace(decision, drafts=drafts)


def _decide(turn: Turn) -> Decision:
    memory = replace(turn.memory, last_turn=turn.now)
    published = tuple(
        Draft(Kind.PUBLISHED, CONTROLLER, {"version": version, "digest": digest})
        for version, digest in turn.found.items()
        if version not in turn.state.versions
    )
    if published:
        return Decision(published, memory)
    for request in turn.state.requests:
        if request.action == "rollback" or request.action in CONTROLS:
            return Decision(answer(turn, request), memory)
    decision = _progress(turn)
    if decision.drafts or not turn.state.requests:
        return replace(decision, memory=replace(decision.memory, last_turn=turn.now))
    return replace(decision, drafts=_answer(turn), memory=replace(decision.memory, last_turn=turn.now))


def _answer(turn: Turn) -> tuple[Draft, ...]:
    """The answer to the oldest request that can be answered. One that starts a version waits for another, nothing
    else does."""
    starts = False
    for request in turn.state.requests:
        if request.starts and starts:
            continue
        drafts = answer(turn, request)
        if drafts:
            return drafts
        starts = starts or request.starts
    return ()


def _progress(turn: Turn) -> Decision:
    if turn.state.rollout is not None:
        return advance(turn, turn.state.rollout)
    if turn.state.guarding is not None:
        return watch(turn, turn.state.guarding)
    return Decision((), turn.memory)
