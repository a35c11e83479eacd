"""`geometry pause`, `resume`, `abort` and `approve`: requests about what is in progress, or about to be."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli.asking import ask, require_controller
from registry.cli.completion import ModelOption
from registry.cli.options import (
    AS,
    MODEL,
    AsOption,
    HomeOption,
    ReasonOption,
    YesOption,
    confirm,
    place,
    say,
)
from registry.domain.summary import summary
from registry.domain.version import model_name, version_name

ANSWER = 60.0
"""Seconds a controller may take to answer; it takes a turn."""


def add(app: typer.Typer) -> None:
    for verb in (pause, resume, abort, approve):
        app.command()(verb)


def pause(reason: ReasonOption = "", by: AsOption = AS, model: ModelOption = MODEL, home: HomeOption = None) -> None:
    """Stop a rollout where it is: weights stay and the soak stands still, what is harmful still goes back."""
    _control("pause", reason, by, model, home)


def resume(reason: ReasonOption = "", by: AsOption = AS, model: ModelOption = MODEL, home: HomeOption = None) -> None:
    """Go on with a paused rollout."""
    _control("resume", reason, by, model, home)


def abort(
    reason: ReasonOption = "",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    yes: YesOption = False,
    home: HomeOption = None,
) -> None:
    """End a rollout without blame, or withdraw a promotion that waits: the canary's weight goes first."""
    require_controller(place(home))
    confirm(f"Abort what is in progress of {model}?", yes=yes)
    _control("abort", reason, by, model, home)


def _control(action: str, reason: str, by: str | None, model: str, home: Path | None) -> None:
    request = {"action": action, "version": None, "to": "", "reason": reason}
    entry = ask(place(home), model_name(model), request, seconds=ANSWER, by=by)
    say(f"accepted: {summary(entry)}")


def approve(
    version: Annotated[str, typer.Argument(help="Version.")],
    reason: ReasonOption = "",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    home: HomeOption = None,
) -> None:
    """Say yes to a version, bound to its digest. How many others than the requester must is in the policy."""
    request = {"action": "approve", "version": version_name(version), "to": "", "reason": reason}
    entry = ask(place(home), model_name(model), request, seconds=ANSWER, by=by)
    say(f"accepted: {summary(entry)}")
