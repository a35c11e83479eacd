"""Answers to what was asked: accepted as the first entries of what follows, or refused with every number."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from registry.domain.approvals import approve
from registry.domain.card import Slo
from registry.domain.control import CONTROLS, abort, answer_control
from registry.domain.documents import timestamp
from registry.domain.guarding import close, go_back
from registry.domain.inquiry import Inquiry, Question, inquire
from registry.domain.journal import Draft, Kind
from registry.domain.plan import Plan, StepPlan
from registry.domain.policy import Policy, RolloutPolicy
from registry.domain.refusal import NO_VERSION, NOTHING_TO_ADOPT, none_before, on_its_way, refused
from registry.domain.retirement import RETIREMENTS
from registry.domain.signals import (
    AGREEMENT,
    ERRORS,
    LABELS,
    LATENCY,
    LOW_CONFIDENCE,
    REFUSED,
    RESTARTS,
    SIGNALS,
    edge_of,
)
from registry.domain.split import plan_of_split, wrong_split
from registry.domain.stages import Stage
from registry.domain.state import Request, State
from registry.domain.turn import CONTROLLER, Memory, Turn
from registry.domain.version import Version


def answer(turn: Turn, request: Request) -> tuple[Draft, ...]:
    """The entries that answer `request`."""
    if request.action == "rollback":
        return _roll_back(turn, request)
    if request.action in RETIREMENTS:
        return (RETIREMENTS[request.action](turn.state, request),)
    if request.action in CONTROLS:
        return answer_control(turn.state, request)
    if request.action == "approve":
        return (approve(turn.state, request),)
    if request.action == "adopt":
        return (refused(request, NOTHING_TO_ADOPT),)
    if request.action == "promote" and request.to in (Stage.STAGING, Stage.PRODUCTION):
        return _promote(turn, request)
    if request.action == "compare":
        wrong = wrong_split(turn.state, request)
        return (refused(request, wrong),) if wrong is not None else _promote(turn, request)
    return (
        refused(request, f"found {request.action!r} to {request.to!r}, wanted a verb that `geometry --help` lists"),
    )


def _promote(turn: Turn, request: Request) -> tuple[Draft, ...]:
    """To production a version passes staging, where its revision is measured; nothing while that is awaited.

    So does one that is compared with production: it gets live requests too.
    """
    version = request.version
    if version is None:
        return (refused(request, NO_VERSION),)
    found = inquire(turn, _question(turn, request, version))
    if found.reason is not None:
        return (refused(request, found.reason, found.results),)
    data = {"version": version, "variant": turn.policy.serving.variant, **_passed(request, found)}
    if request.to == Stage.STAGING:
        return (Draft(Kind.STAGED, request.by, {**data, "request": request.id}),)
    known = turn.state.version(version)
    staged = known.stage is Stage.STAGING and known.variant == turn.policy.serving.variant
    wants = {"promotion": request.id, **({"comparison": True} if request.split is not None else {})}
    on_the_way = () if staged else (Draft(Kind.STAGED, request.by, {**data, **wants}),)
    if found.awaited:
        return on_the_way
    return (*_window_closed(turn), *on_the_way, _started(turn, request, _plan(turn, request, version), data))


def measured(state: State) -> Request | None:
    """The request whose staging revision is to be measured now: the oldest one that wants live requests for it."""
    first = next((request for request in state.requests if request.starts), None)
    if first is None or first.to == Stage.STAGING or first.force:
        return None
    return first if state.rollout is None and first.version is not None and first.version == state.staging else None


def _question(turn: Turn, request: Request, version: Version) -> Question:
    return Question(
        version,
        Stage.PRODUCTION if request.split is not None else request.to,
        request.by,
        source_stage=request.source_stage,
        force=request.force,
        reason=request.reason,
        waited=(turn.now - (request.staged or request.time)).total_seconds(),
        comparison=request.split is not None,
    )


def _passed(request: Request, found: Inquiry) -> dict[str, Any]:
    """What a version was let through with. forced and approvals: only where there are some."""
    approvals = [{"by": approval.by, "time": timestamp(approval.time)} for approval in found.approvals]
    return {
        "checks": [asdict(result) for result in found.results],
        "reason": request.reason,
        **({"forced": list(found.forced)} if found.forced else {}),
        **({"approvals": approvals} if approvals else {}),
    }


def _window_closed(turn: Turn) -> tuple[Draft, ...]:
    """A promotion filed in a rollback window ends it: the version before is dropped first."""
    guarding = turn.state.guarding
    if guarding is None:
        return ()
    mixture = Memory(mixture=guarding.mixture, good=guarding.good, bad=guarding.bad)
    return close(guarding, mixture)


def _roll_back(turn: Turn, request: Request) -> tuple[Draft, ...]:
    """Before the swap the rollout ends; in the window production goes back; later the version before is started.

    A request names the version to leave. Once that has gone by itself, going back would be a second step.
    """
    state, reason = turn.state, request.reason or "asked for"
    if state.rollout is not None and not state.rollout.plan.steps and request.time <= state.rollout.started:
        return (refused(request, on_its_way(state.rollout.version)),)
    if request.version is not None and request.version != state.leaving:
        gone = f"version {request.version} is neither in production nor on its way there any more"
        return (refused(request, f"{gone}; production is {state.production}, `geometry history` says why"),)
    if state.rollout is not None:
        return (abort(state, request),)
    if state.guarding is not None and state.guarding.previous is not None:
        return (go_back(state.guarding, reason, actor=request.by, request=request.id),)
    if state.previous is None:
        return (refused(request, none_before(state)),)
    known = state.version(state.previous)
    data = {"version": known.version, "variant": known.variant, "checks": [], "reason": request.reason}
    forced = {"forced": list(known.forced)} if known.forced else {}
    return (*_window_closed(turn), _started(turn, request, plan_of(turn.policy, steps=()), {**data, **forced}))


def _started(turn: Turn, request: Request, plan: Plan, data: Mapping[str, Any]) -> Draft:
    """The first entry of a rollout. data: the version, and what it was let through with."""
    begun = {
        "request": request.id,
        "requestedBy": request.by,
        "digest": turn.state.version(data["version"]).digest,
        "base": turn.state.production,
        "plan": plan.document(),
        "policy": {"text": turn.policy.text, "sha256": turn.policy.sha256},
    }
    return Draft(Kind.STARTED, CONTROLLER, {**data, **begun})


def _plan(turn: Turn, request: Request, version: Version) -> Plan:
    card, split = turn.candidates[version].card, request.split
    slo = card.slo if card is not None else None
    if split is None:
        return plan_of(turn.policy, slo=slo, steps=request.steps)
    return plan_of_split(plan_of(turn.policy, slo=slo, steps=(StepPlan(split.weight, split.seconds),)), split)


def plan_of(policy: Policy, *, slo: Slo | None = None, steps: tuple[StepPlan, ...] | None = None) -> Plan:
    """The numbers of `policy` that a rollout keeps. slo: the card's; `steps` replaces the policy's."""
    rollout, floors, slo = policy.rollout, policy.rollout.floors, slo or policy.slo.complete()
    # Between .1 % and one half: an objective of 1 or 0 would leave the floor without a meaning.
    latency = min(max(2 * (1 - slo.latency_objective), 0.001), 0.5) if floors.latency is None else floors.latency
    if steps is None:
        steps = tuple(StepPlan(step.weight, step.soak, step.mirror) for step in rollout.steps)
    judged = {
        ERRORS: floors.errors,
        LATENCY: latency,
        REFUSED: floors.refused,
        LOW_CONFIDENCE: floors.low_confidence,
        RESTARTS: 0.0,  # it blocks nothing
        **_pair_floors(rollout, steps),
    }
    return Plan(
        steps=steps,
        margins=tuple((margin.up_to, margin.ratio) for margin in rollout.margins),
        alpha=rollout.alpha,
        beta=rollout.beta,
        floors=judged,
        signals=sum(SIGNALS[name].rolls_back for name in judged),
        block=rollout.block if LABELS in judged else (),
        slow_after=edge_of(slo.latency_seconds),
        warmup=rollout.warmup,
        deadline=rollout.deadline,
        rollback_window=rollout.rollback_window,
        min_replicas=policy.serving.min_replicas,
    )


def _pair_floors(rollout: RolloutPolicy, steps: tuple[StepPlan, ...]) -> Mapping[str, float]:
    """Of the signals that are judged where some step makes pairs."""
    if not any(step.mirror for step in steps):
        return {}
    return {
        LABELS: rollout.floors.labels,
        **({} if rollout.agreement is None else {AGREEMENT: round(1 - rollout.agreement, 9)}),
    }
