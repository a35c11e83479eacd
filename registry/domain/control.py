"""Answers to whoever stops, resumes or ends what is in progress: at any moment, and refused with the reason elsewhere.

Locally a request of its own; in a cluster the `control` part of a Promotion, which the same actions answer.
"""

from collections.abc import Callable, Mapping

from registry.domain.journal import Draft, Kind
from registry.domain.refusal import refused
from registry.domain.state import Request, Rollout, State
from registry.domain.version import Version


def answer_control(state: State, request: Request) -> tuple[Draft, ...]:
    """The entry that answers a request whose action is one of CONTROLS."""
    return (CONTROLS[request.action](state, request),)


def _pause(state: State, request: Request) -> Draft:
    if state.rollout is None:
        return refused(request, _nothing(state, "to pause"))
    if not _about(request, state.rollout):
        return refused(request, _another(state.rollout))
    if state.rollout.plan.comparison:
        return refused(request, _comparison(state.rollout))
    if state.rollout.paused is not None:
        return refused(request, f"the rollout of {state.rollout.version} is paused already; `geometry resume` goes on")
    return _control(Kind.PAUSED, request, state.rollout.version)


def _resume(state: State, request: Request) -> Draft:
    if state.rollout is None:
        return refused(request, _nothing(state, "to resume"))
    if not _about(request, state.rollout):
        return refused(request, _another(state.rollout))
    if state.rollout.plan.comparison:
        return refused(request, _comparison(state.rollout))
    if state.rollout.paused is None:
        return refused(
            request,
            f"the rollout of {state.rollout.version} is not paused; `geometry status` shows what it waits for",
        )
    return _control(Kind.RESUMED, request, state.rollout.version)


def abort(state: State, request: Request) -> Draft:
    """End the rollout: its revision is in no release from here on, so its weight goes first and its process after.

    Before a rollout began, the promotion or comparison that it is about is withdrawn, by default the oldest that waits.
    """
    reason = request.reason or "asked for"
    if state.rollout is not None and _about(request, state.rollout):
        data = {"version": state.rollout.version, "to": state.rollout.base, "reason": reason, "request": request.id}
        return Draft(Kind.ABORTED, request.by, data)
    waiting = [
        found
        for found in state.requests
        if found.starts and found.time <= request.time and request.promotion in (None, found.id)
    ]
    if not waiting:
        told = _nothing(state, "to abort") if state.rollout is None else _another(state.rollout)
        return refused(request, told)
    data = {"version": waiting[0].version, "to": state.production, "reason": reason, "request": request.id}
    return Draft(Kind.ABORTED, request.by, {**data, "promotion": waiting[0].id})


def _control(kind: Kind, request: Request, version: Version) -> Draft:
    return Draft(kind, request.by, {"version": version, "request": request.id, "reason": request.reason})


def _about(request: Request, rollout: Rollout) -> bool:
    return request.promotion in (None, rollout.request)


def _another(rollout: Rollout) -> str:
    return (
        f"this promotion is not in progress; the {rollout.what} of {rollout.version}, asked for by {rollout.by}, is "
        "another's"
    )


def _comparison(rollout: Rollout) -> str:
    return (
        f"a comparison of {rollout.base} and {rollout.version} is in progress, whose split stays as it is; "
        "it ends when its time is over, or with `geometry abort`"
    )


def _nothing(state: State, what: str) -> str:
    if state.guarding is not None:
        return (
            f"version {state.guarding.version} is in production and its rollback window runs; there is nothing {what}, "
            "`geometry rollback` goes back"
        )
    if waiting := next((request for request in state.requests if request.starts), None):
        found = "comparison" if waiting.split is not None else "promotion"
        return f"the {found} that waits has not begun; there is nothing {what}, `geometry abort` withdraws it"
    return f"no rollout is in progress; there is nothing {what}, `geometry promote VERSION --to production` begins one"


CONTROLS: Mapping[str, Callable[[State, Request], Draft]] = {"pause": _pause, "resume": _resume, "abort": abort}
