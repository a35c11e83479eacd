"""`geometry promote`, `rollback` and `adopt`: asking for a change of production, and what came of it."""

from functools import partial
from typing import Annotated

import typer

from registry.cli.asking import answer_to, ask, follow, wait_for
from registry.cli.completion import ModelOption, VersionArgument
from registry.cli.options import (
    AS,
    MODEL,
    AsOption,
    ContextOption,
    HomeOption,
    NamespaceOption,
    ReasonOption,
    YesOption,
    confirm,
    say,
)
from registry.cli.places import Place, installation, state_of
from registry.cli.rehearsal import rehearse
from registry.domain.errors import RegistryError
from registry.domain.inquiry import Question
from registry.domain.journal import Entry, Kind
from registry.domain.stages import Stage
from registry.domain.state import State
from registry.domain.summary import summary
from registry.domain.version import Model, Version, model_name, version_name

ANSWER = 300.0
"""Seconds a controller may take to answer a request: a turn, or until a staging revision is ready and measured."""

SERVING = 60.0
"""Seconds from the decision until the proxy has the weights; it takes a turn as well."""

ENDS = (Kind.ROLLED_BACK, Kind.ABORTED, Kind.EXPIRED)
"""How a rollout ends that does not reach production."""

WaitOption = Annotated[bool, typer.Option("--wait", help="Stay until the rollout has ended.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")]


def add(app: typer.Typer) -> None:
    for verb in (promote, rollback, adopt):
        app.command()(verb)


def promote(
    version: VersionArgument,
    to: Annotated[str, typer.Option("--to", help="staging or production.")],
    source_stage: Annotated[str | None, typer.Option(help="Refuse unless the version is in this stage.")] = None,
    reason: ReasonOption = "",
    force: Annotated[bool, typer.Option("--force", help="Go on in spite of failed checks; wants --reason.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print checklist, journal entries, objects and steps; ask for nothing.")
    ] = False,
    by: AsOption = AS,
    wait: WaitOption = False,
    timeout: TimeoutOption = 86400.0,
    model: ModelOption = MODEL,
    yes: YesOption = False,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Ask for a promotion. To production it goes in judged steps; exit 3 says which rule refuses, with the numbers.

    With --wait exit 1 says that it went back, was aborted or expired.
    """
    if to not in (Stage.STAGING, Stage.PRODUCTION):
        raise typer.BadParameter(f"--to {to}: wanted staging or production")
    if source_stage is not None and source_stage not in list(Stage):
        raise typer.BadParameter(f"--source-stage {source_stage}: wanted one of {', '.join(Stage)}")
    found, name, chosen = installation(home, context, namespace), model_name(model), version_name(version)
    if dry_run:
        question = Question(chosen, to, by or found.caller(), source_stage=source_stage, force=force, reason=reason)
        rehearse(found, name, question)
        return
    found.require_controller()
    state, accepted = state_of(found, name), None
    if waiting := _waiting(state, chosen, to):
        accepted = answer_to(found, name, waiting, seconds=ANSWER)
    elif not _done_already(state, chosen, to):
        confirm(f"Promote {model} {version} to {to}?", yes=yes)
        request = {"action": "promote", "version": chosen, "to": to, "sourceStage": source_stage, "reason": reason}
        accepted = ask(found, name, {**request, "force": force}, seconds=ANSWER, by=by)
    if accepted:
        say(f"accepted: {summary(accepted)}")
    if wait:
        _wait(found, name, chosen, seconds=timeout, to=to, after=accepted)


def _waiting(state: State, version: Version, to: str) -> str | None:
    """The id of a request for the same that nobody answered yet, perhaps of a command that was killed."""
    asked = (request for request in state.requests if (request.action, request.to) == ("promote", to))
    return next((request.id for request in asked if request.version == version), None)


def _done_already(state: State, version: Version, to: str) -> bool:
    """Whether what is asked for is so, or on its way: asking again changes nothing."""
    if version in state.versions and state.versions[version].stage == to:
        say(f"{state.model} {version} is in {to} already")
        return True
    running = state.rollout if state.rollout is not None and not state.rollout.plan.comparison else None
    if to == Stage.PRODUCTION and running is not None and running.version == version:
        say(f"{state.model} {version}: a rollout is in progress already; watch it with `geometry status -w`")
        return True
    return False


def _wait(found: Place, model: Model, version: Version, *, seconds: float, to: str, after: Entry | None) -> None:
    state = follow(found, model, seconds=seconds, after=after)
    if state.version(version).stage != to:
        how = _end(found, model, version) or f"it is in {state.version(version).stage}"
        raise RegistryError(f"{model} {version} is not in {to}: {how}; `geometry history` tells the rest")
    if to == Stage.PRODUCTION:
        wait_for(found, partial(_has_all, found, model, version), seconds=SERVING, what=f"{model} {version} at 100 %")


def _end(found: Place, model: Model, version: Version) -> str:
    """How the last rollout of a version ended."""
    entries = reversed(found.journal_of(model).read())
    return next((summary(entry) for entry in entries if entry.kind in ENDS and entry.data["version"] == version), "")


def _has_all(found: Place, model: Model, version: Version) -> bool | None:
    """True when the proxy sends every live request to the version."""
    found.require_controller()
    return True if (found.view(model).get("weights") or {}).get(version) == 100 else None


def rollback(
    reason: ReasonOption = "",
    by: AsOption = AS,
    wait: WaitOption = False,
    timeout: TimeoutOption = 300.0,
    model: ModelOption = MODEL,
    yes: YesOption = False,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """End the rollout in progress, or go back to the version that was in production before."""
    found, name = installation(home, context, namespace), model_name(model)
    found.require_controller()
    leaves = state_of(found, name).leaving
    confirm(f"Roll back {model}{f' from version {leaves}' if leaves else ''}?", yes=yes)
    request = {"action": "rollback", "version": leaves, "to": "", "reason": reason}
    entry = ask(found, name, request, seconds=ANSWER, by=by)
    say(f"accepted: {summary(entry)}")
    if wait:
        follow(found, name, seconds=timeout, after=entry)


def adopt(
    reason: Annotated[str, typer.Option(help="Why this journal is to be gone on from; recorded.")],
    model: ModelOption = MODEL,
    yes: YesOption = False,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Go on from the journal that is there, although it is not the one that was acted upon last."""
    found, name = installation(home, context, namespace), model_name(model)
    found.require_controller()
    production = state_of(found, name).production or "nothing"
    ends = f"It has {production} in production; whatever else is served will end."
    confirm(f"Go on from the journal of {model} as it is? {ends}", yes=yes)
    request = {"action": "adopt", "version": None, "to": "", "reason": reason}
    say(f"accepted: {summary(ask(found, name, request, seconds=ANSWER))}")
