"""Whether a promotion may be: order, approvals and checklist, the same for the controller, `check` and a dry run."""

from dataclasses import dataclass

from registry.domain.advice import advice
from registry.domain.approvals import counted, missing
from registry.domain.checklist import CheckResult, examine, examine_latency
from registry.domain.errors import NotFound
from registry.domain.rules import IDENTITY
from registry.domain.stages import TRANSITIONS, Stage
from registry.domain.state import Approval, State
from registry.domain.turn import Turn
from registry.domain.version import Version

PATIENCE = 120.0
"""Seconds a staging revision may take to be ready and to be measured before latency counts as not to be asked."""


@dataclass(frozen=True)
class Question:
    """A promotion as it is asked for. force: go on in spite of failed checks, which wants a reason. waited: seconds
    since the version is in staging for it. comparison: it is not to be promoted, and passes the same rules."""

    version: Version
    to: str
    by: str
    source_stage: str | None = None
    force: bool = False
    reason: str = ""
    waited: float = 0.0
    comparison: bool = False


@dataclass(frozen=True)
class Inquiry:
    """What is to be said to a question. reason: why it is refused, None when it is not.

    forced: failed checks it goes on in spite of. approvals: those that count. awaited: the latency of its staging
    revision must be known before it may go on; everything else is answered.
    """

    reason: str | None
    results: tuple[CheckResult, ...] = ()
    forced: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    awaited: bool = False


def inquire(turn: Turn, question: Question) -> Inquiry:
    """Answer a question; nothing is recorded."""
    reason = _out_of_order(turn.state, question)
    if reason is not None:
        return Inquiry(reason)
    results, awaited = _checks(turn, question)
    failed = [result for result in results if result.refuses]
    forced = tuple(str(result.check) for result in failed) if question.force else ()
    wrong = [result for result in failed if not question.force or result.check in IDENTITY]
    approvals: tuple[Approval, ...] = ()
    reasons = [f"{result.check}: got {result.got}, wanted {result.want}" for result in wrong]
    if question.to == Stage.PRODUCTION:
        policy = turn.policy.approvals
        approvals = counted(turn.state, question.version, by=question.by, policy=policy, now=turn.now)
        lacking = missing(approvals, question.version, by=question.by, policy=policy)
        reasons += [lacking] if lacking else []
    if reasons:
        told = "; ".join([*reasons, *advice(question.version, question.to, wrong, comparison=question.comparison)])
        return Inquiry(told, results)
    return Inquiry(None, results, forced, approvals, awaited)


def _checks(turn: Turn, question: Question) -> tuple[tuple[CheckResult, ...], bool]:
    """The checklist, and whether its last answer is still to come. A forced promotion waits for none."""
    version, production = question.version, turn.state.production
    candidate, rules = turn.candidates[version], turn.policy.checklist
    results = examine(
        candidate,
        turn.candidates[production] if production is not None and production != version else None,
        recorded_digest=turn.state.version(version).digest,
        rules=rules,
        now=turn.now,
        variant=turn.policy.serving.variant,
    )
    if question.to != Stage.PRODUCTION:
        return results, False
    measured = turn.observation.latency.get(version)
    seen = turn.observation.revisions.get(version)
    latency = examine_latency(
        candidate,
        measured,
        rules=rules,
        slo=turn.policy.slo.complete(),
        problem=seen.problem if seen is not None else None,
    )
    known = version in turn.observation.latency
    if not known and latency.required and not question.force and question.waited < PATIENCE:
        return results, True
    return (*results, latency), False


def _out_of_order(state: State, question: Question) -> str | None:
    """Rules that need no evidence."""
    version, to = question.version, question.to
    try:
        stage, deleted = state.version(version).stage, state.version(version).deleted
    except NotFound as error:
        return str(error)
    if deleted:
        return f"version {version} was deleted; `geometry history` says why, `geometry models list` shows the others"
    if question.source_stage is not None and stage != question.source_stage:
        return f"version {version} is in {stage}, wanted {question.source_stage}; `geometry models list` shows them all"
    if stage == to:
        return f"version {version} is already in {to}; there is nothing to do, `geometry status` shows it"
    if question.force and not question.reason.strip():
        return "force without a reason; say why with --reason, it is recorded"
    if state.rollout is not None:
        found = f"a {state.rollout.what} of {state.rollout.version} is in progress"
        return f"{found}; wait for it, or end it with `geometry abort`"
    if to == Stage.STAGING and Stage.STAGING not in TRANSITIONS[stage]:
        return f"version {version} is in {stage}, from which none goes to staging; promote another in its place first"
    return None
