"""`geometry pause`, `resume`, `abort` and `approve`: requests about what is in progress, or about to be."""

from typing import Annotated

import typer

from registry.cli.asking import ask
from registry.cli.completion import ModelOption
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
from registry.cli.places import Place, installation
from registry.domain.summary import summary
from registry.domain.version import model_name, version_name

ANSWER = 60.0
"""Seconds a controller may take to answer; it takes a turn."""


def add(app: typer.Typer) -> None:
    for verb in (pause, resume, abort, approve):
        app.command()(verb)


def pause(
    reason: ReasonOption = "",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Stop a rollout where it is: weights stay and the soak stands still, what is harmful still goes back."""
    _control(installation(home, context, namespace), "pause", reason, by, model)


def resume(
    reason: ReasonOption = "",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Go on with a paused rollout."""
    _control(installation(home, context, namespace), "resume", reason, by, model)


def abort(
    reason: ReasonOption = "",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    yes: YesOption = False,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """End a rollout without blame, or withdraw a promotion that waits: the canary's weight goes first."""
    found = installation(home, context, namespace)
    found.require_controller()
    confirm(f"Abort what is in progress of {model}?", yes=yes)
    _control(found, "abort", reason, by, model)


def _control(found: Place, action: str, reason: str, by: str | None, model: str) -> None:
    request = {"action": action, "version": None, "to": "", "reason": reason}
    entry = ask(found, model_name(model), request, seconds=ANSWER, by=by)
    say(f"accepted: {summary(entry)}")


def approve(
    version: Annotated[str, typer.Argument(help="Version.")],
    reason: ReasonOption = "",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Say yes to a version, bound to its digest. How many others than the requester must is in the policy."""
    request = {"action": "approve", "version": version_name(version), "to": "", "reason": reason}
    entry = ask(installation(home, context, namespace), model_name(model), request, seconds=ANSWER, by=by)
    say(f"accepted: {summary(entry)}")
