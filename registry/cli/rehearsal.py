"""`geometry check` and `promote --dry-run`: the controller's own rules on what is there now, with nothing recorded."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer
import yaml

from registry.cli.completion import ModelOption
from registry.cli.options import (
    AS,
    MODEL,
    AsOption,
    ContextOption,
    Format,
    FormatOption,
    HomeOption,
    NamespaceOption,
    now,
)
from registry.cli.places import Place, installation, state_of
from registry.cli.printing import print_data, print_table
from registry.domain.checklist import CheckResult
from registry.domain.documents import timestamp
from registry.domain.errors import Refused
from registry.domain.fold import fold
from registry.domain.inquiry import Inquiry, Question, inquire
from registry.domain.journal import Draft, Entry, Kind, seal
from registry.domain.judge import Clearance
from registry.domain.objects import Object, render
from registry.domain.observation import Latency, Observation
from registry.domain.plan import Plan, StepPlan, parse_plan
from registry.domain.policy import Policy
from registry.domain.requests import answer
from registry.domain.rules import Rules
from registry.domain.signals import LABELS
from registry.domain.stages import Stage
from registry.domain.state import State, release
from registry.domain.turn import Turn
from registry.domain.version import Model, model_name, version_name
from registry.manifests import read_templates

COLUMNS = ("check", "outcome", "required", "got", "want")


def add(app: typer.Typer) -> None:
    app.command()(check)


def check(
    version: Annotated[str, typer.Argument(help="Version.")],
    to: Annotated[str, typer.Option("--to", help="staging or production.")] = "production",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Run the checklist without asking for anything; exit 3 when a promotion would be refused."""
    if to not in (Stage.STAGING, Stage.PRODUCTION):
        raise typer.BadParameter(f"--to {to}: wanted staging or production")
    found_in = installation(home, context, namespace)
    question = Question(version_name(version), to, by or found_in.caller())
    turn = _turn(found_in, model_name(model), question)
    found = inquire(turn, question)
    if output is Format.TABLE:
        print_results(found)
    else:
        print_data(_document(turn.state, question, found), output)
    if found.reason is not None:
        raise Refused(f"would be refused: {found.reason}")


def rehearse(place: Place, model: Model, question: Question) -> None:
    """Print what a promotion would find, record and change. Raises Refused when it would be refused."""
    turn = _turn(place, model, question)
    found = inquire(turn, question)
    print_results(found)
    if found.reason is not None:
        raise Refused(f"would be refused: {found.reason}")
    asked = _requested(turn, question)
    drafts = _drafts(turn, question, asked)
    after = _fold(asked, drafts, now=turn.now)
    print("\njournal entries:")
    print_table([_row(draft) for draft in drafts], ("kind", "actor", "what"))
    print("\nrendered objects:")
    print(_difference(turn.state, after, turn.policy, place.namespace) or "as they are")
    started = [draft for draft in drafts if draft.kind is Kind.STARTED]
    if not started:
        print(f"would go to {question.to} at once")
    elif after.rollout is not None and after.rollout.base is not None:
        print(f"would start: {after.rollout.base} → {question.version}, 100 % after the last step")
        print_table(_steps(parse_plan(started[0].data["plan"])), ("step", "at_least", "clean_requests"))
    else:
        print(f"would go to {question.to} as soon as it is ready")


def print_results(found: Inquiry) -> None:
    """The checklist as a table; a check that waits for the staging revision is said to."""
    if found.results:
        print_table([_result(result) for result in found.results], COLUMNS)
    if found.awaited:
        print("latency: measured on the staging revision, which a promotion to production starts")
    if found.forced:
        print(f"forced past: {', '.join(found.forced)}")


def _result(result: CheckResult) -> dict[str, Any]:
    return {**vars(result), "check": result.check.value, "outcome": result.outcome.value,
            "required": "yes" if result.required else "advisory"}  # fmt: skip


def _document(state: State, question: Question, found: Inquiry) -> dict[str, Any]:
    return {
        "model": state.model,
        "version": question.version,
        "to": question.to,
        "refused": found.reason,
        "awaited": ["latency"] if found.awaited else [],
        "approvals": [{"by": approval.by, "time": timestamp(approval.time)} for approval in found.approvals],
        "checks": [{**vars(result), "check": result.check.value, "outcome": result.outcome.value}
                   for result in found.results],
    }  # fmt: skip


def _turn(place: Place, model: Model, question: Question) -> Turn:
    """What the controller would decide on, as far as it is there without one."""
    state, policy = state_of(place, model), place.policy()
    asked = {name for name in (question.version, state.production) if name is not None and name in state.versions}
    candidates = {name: place.candidate(model, name) for name in asked}
    seen = Observation()
    if question.to == Stage.PRODUCTION and question.version in candidates:
        latency = place.latency(candidates[question.version], model, Rules(policy.checklist).requests)
        seen = Observation(latency={question.version: latency} if latency else {})
    return Turn(state, seen, now(), policy, candidates=candidates)


def _requested(turn: Turn, question: Question) -> State:
    """The state after the request is filed."""
    data = {
        "id": "dry-run",
        "action": "promote",
        "version": question.version,
        "to": question.to,
        "sourceStage": question.source_stage,
        "force": question.force,
        "reason": question.reason,
        "requestedBy": question.by,
    }
    return _fold(turn.state, [Draft(Kind.REQUESTED, question.by, data)], now=turn.now)


def _drafts(turn: Turn, question: Question, asked: State) -> Sequence[Draft]:
    """All entries until the rollout has begun, as if its staging revision were measured as wanted."""
    request = next(request for request in asked.requests if request.id == "dry-run")
    drafts = answer(replace(turn, state=asked), request)
    if question.to == Stage.STAGING or any(draft.kind is Kind.STARTED for draft in drafts):
        return drafts
    staged = _fold(asked, drafts, now=turn.now)
    within = Latency(Rules(turn.policy.checklist).requests, 0, 0.0)
    seen = replace(turn.observation, latency={question.version: within})
    return (*drafts, *answer(replace(turn, state=staged, observation=seen), replace(request, source_stage=None)))


def _fold(state: State, drafts: Sequence[Draft], *, now: datetime) -> State:
    """The state after these entries; they are linked to nothing that is on disk."""
    entries: list[Entry] = []
    for draft in drafts:
        entries.append(seal(draft, now=now, head=entries[-1] if entries else None))
    return replace(fold(state.model, entries, state=state), head=state.head)


def _row(draft: Draft) -> dict[str, Any]:
    shown = {key: value for key, value in draft.data.items() if isinstance(value, str | int) and value != ""}
    told = ", ".join(f"{key} {value}" for key, value in shown.items() if key not in ("request", "promotion"))
    return {"kind": draft.kind.value, "actor": draft.actor, "what": told}


def _difference(before: State, after: State, policy: Policy, namespace: str | None) -> str:
    """Unified diff of the objects when the entries are recorded; later steps change weights and replicas alone."""
    templates = read_templates(namespace=namespace)
    now, then = (_text(render(release(state), templates, policy.serving)) for state in (before, after))
    return "".join(difflib.unified_diff(now, then, fromfile="now", tofile="then", n=2))


def _text(objects: Sequence[Object]) -> list[str]:
    plain = json.loads(json.dumps(objects))  # without aliases for parts that are shared
    return yaml.safe_dump_all(plain, sort_keys=False, allow_unicode=True).splitlines(keepends=True)


def _steps(plan: Plan) -> list[dict[str, Any]]:
    def needed(step: StepPlan) -> int | str:
        clear, bound = Clearance(), plan.advance_bound
        if step.mirror and LABELS in plan.block:
            return f"{clear.clean_answers_needed(bound=bound, floor=plan.floors[LABELS])} labelled pairs"
        return clear.clean_answers_needed(bound=bound, floor=plan.floor) if step.weight else "not judged"

    return [{"step": step.name, "at_least": f"{step.soak:g} s", "clean_requests": needed(step)} for step in plan.steps]
