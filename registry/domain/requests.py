"""Answers to what was asked: accepted as the first entries of what follows, or refused with every number."""

from dataclasses import asdict
from typing import Any

from registry.domain.checklist import CheckResult, examine, passes
from registry.domain.errors import NotFound
from registry.domain.guarding import close, go_back
from registry.domain.journal import Draft, Kind
from registry.domain.plan import Plan, StepPlan
from registry.domain.policy import Policy
from registry.domain.retirement import RETIREMENTS
from registry.domain.stages import TRANSITIONS, Stage
from registry.domain.state import Request, State
from registry.domain.turn import CONTROLLER, Memory, Turn
from registry.domain.version import Version

SIGNALS = 1
"""Signals that may roll back: errors."""


def answer(turn: Turn, request: Request) -> tuple[Draft, ...]:
    """The entries that answer `request`."""
    if request.action == "rollback":
        return _roll_back(turn, request)
    if request.action in RETIREMENTS:
        return (RETIREMENTS[request.action](turn.state, request),)
    if request.action == "adopt":
        return (_refused(request, "the journal is the one that was acted upon; there is nothing to adopt"),)
    if request.action == "promote" and request.to in (Stage.STAGING, Stage.PRODUCTION):
        return _promote(turn, request)
    return (_refused(request, f"action {request.action!r} to {request.to!r}: unknown"),)


def refusal(
    turn: Turn, version: Version, *, to: str, source_stage: str | None
) -> tuple[str | None, tuple[CheckResult, ...]]:
    """Why a promotion would be refused (None: it would not), and what the checklist found. The same for a dry run."""
    reason = _out_of_order(turn.state, version, to=to, source_stage=source_stage)
    if reason is not None:
        return reason, ()
    results = checks(turn, version)
    if passes(results):
        return None, results
    failed = "; ".join(
        f"{result.check}: got {result.got}, wanted {result.want}" for result in results if not result.passed
    )
    return failed, results


def checks(turn: Turn, version: Version) -> tuple[CheckResult, ...]:
    """The checklist for a version against what is in production."""
    production = turn.state.production
    return examine(
        turn.candidates[version],
        turn.candidates[production] if production is not None and production != version else None,
        recorded_digest=turn.state.version(version).digest,
        rules=turn.policy.checklist,
    )


def _out_of_order(state: State, version: Version, *, to: str, source_stage: str | None) -> str | None:
    """Rules that need no evidence."""
    try:
        stage, deleted = state.version(version).stage, state.version(version).deleted
    except NotFound as error:
        return str(error)
    if deleted:
        return f"version {version} was deleted; `geometry history` says why"
    if source_stage is not None and stage != source_stage:
        return f"version {version} is in {stage}, wanted {source_stage}"
    if stage == to:
        return f"version {version} is already in {to}"
    if state.rollout is not None:
        return f"a rollout of {state.rollout.version} is in progress; wait for it, or end it with `geometry rollback`"
    if to == Stage.STAGING and Stage.STAGING not in TRANSITIONS[stage]:
        return f"version {version} is in {stage}, from which no version goes to staging"
    return None


def _promote(turn: Turn, request: Request) -> tuple[Draft, ...]:
    version = request.version
    if version is None:
        return (_refused(request, "no version was named"),)
    reason, results = refusal(turn, version, to=request.to, source_stage=request.source_stage)
    if reason is not None:
        return (_refused(request, reason, results),)
    passed = [asdict(result) for result in results]
    if request.to == Stage.STAGING:
        return (Draft(Kind.STAGED, request.by, {"version": version, "request": request.id, "checks": passed}),)
    staged = Draft(Kind.STAGED, request.by, {"version": version, "promotion": request.id, "checks": passed})
    drafts = () if turn.state.version(version).stage is Stage.STAGING else (staged,)
    return (*_window_closed(turn), *drafts, _started(turn, request, version, plan_of(turn.policy), passed))


def _window_closed(turn: Turn) -> tuple[Draft, ...]:
    """A promotion filed in a rollback window ends it: the version before is dropped first."""
    guarding = turn.state.guarding
    if guarding is None:
        return ()
    mixture = Memory(mixture=guarding.mixture, good=guarding.good, bad=guarding.bad)
    return close(guarding, mixture)


def _roll_back(turn: Turn, request: Request) -> tuple[Draft, ...]:
    """Before the swap the rollout ends; in the window production goes back; later the version before is started."""
    state, reason = turn.state, request.reason or "asked for"
    if state.rollout is not None:
        if not state.rollout.plan.steps and request.time <= state.rollout.started:
            return (_refused(request, f"production is on its way back to {state.rollout.version} already"),)
        data = {"version": state.rollout.version, "to": state.rollout.base, "reason": reason, "request": request.id}
        return (Draft(Kind.ABORTED, request.by, data),)
    if state.guarding is not None and state.guarding.previous is not None:
        return (go_back(state.guarding, reason, actor=request.by, request=request.id),)
    if state.previous is None:
        return (_refused(request, "there is no version before to roll back to"),)
    plan = plan_of(turn.policy, steps=())
    return (*_window_closed(turn), _started(turn, request, state.previous, plan, []))


def _started(turn: Turn, request: Request, version: Version, plan: Plan, passed: list[dict[str, Any]]) -> Draft:
    data = {
        "request": request.id,
        "requestedBy": request.by,
        "version": version,
        "digest": turn.state.version(version).digest,
        "base": turn.state.production,
        "plan": plan.document(),
        "checks": passed,
        "policy": {"text": turn.policy.text, "sha256": turn.policy.sha256},
        "reason": request.reason,
    }
    return Draft(Kind.STARTED, CONTROLLER, data)


def _refused(request: Request, reason: str, results: tuple[CheckResult, ...] = ()) -> Draft:
    data = {
        "request": request.id,
        "version": request.version,
        "to": request.to,
        "reason": reason,
        "checks": [asdict(result) for result in results],
    }
    return Draft(Kind.REFUSED, CONTROLLER, data)


def plan_of(policy: Policy, *, steps: tuple[StepPlan, ...] | None = None) -> Plan:
    """The numbers of `policy` that a rollout keeps; `steps` replaces the policy's."""
    rollout = policy.rollout
    return Plan(
        steps=tuple(StepPlan(step.weight, step.soak) for step in rollout.steps) if steps is None else steps,
        margins=tuple((margin.up_to, margin.ratio) for margin in rollout.margins),
        alpha=rollout.alpha,
        beta=rollout.beta,
        floor=rollout.floors.errors,
        signals=SIGNALS,
        warmup=rollout.warmup,
        deadline=rollout.deadline,
        rollback_window=rollout.rollback_window,
        min_replicas=policy.serving.min_replicas,
    )
