"""`geometry models archive`, `delete` and `prune`: requests that the controller carries out."""

from datetime import timedelta
from typing import Annotated

import typer

from registry.cli.asking import ask
from registry.cli.completion import ModelOption
from registry.cli.options import (
    MODEL,
    ContextOption,
    Format,
    FormatOption,
    HomeOption,
    NamespaceOption,
    YesOption,
    confirm,
    now,
    say,
)
from registry.cli.places import Place, installation, state_of
from registry.cli.printing import print_data
from registry.domain.documents import timestamp
from registry.domain.retirement import ARCHIVE, DELETE, prunable
from registry.domain.stages import Stage
from registry.domain.summary import summary
from registry.domain.version import Model, Version, model_name, version_name

ANSWER = 60.0
"""Seconds a controller may take to answer a request; it takes a turn."""

VersionArgument = Annotated[str, typer.Argument(help="Version.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Recorded in the journal.")]


def add(verbs: typer.Typer) -> None:
    for verb in (archive, delete, prune):
        verbs.command()(verb)


def archive(
    version: VersionArgument,
    reason: ReasonOption,
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Take a version out of use. It stays in the store; never what is in production or under rollout."""
    found, name, chosen = installation(home, context, namespace), model_name(model), version_name(version)
    found.require_controller()
    known = state_of(found, name).versions.get(chosen)
    if known is not None and known.stage is Stage.ARCHIVED:
        say(f"{model} {version} is archived already")
        return
    _ask(found, name, chosen, ARCHIVE, reason)


def delete(
    version: VersionArgument,
    reason: ReasonOption,
    model: ModelOption = MODEL,
    yes: YesOption = False,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Remove an archived version's files for good. Its number stays taken, and the journal remembers it."""
    found, name, chosen = installation(home, context, namespace), model_name(model), version_name(version)
    found.require_controller()
    known = state_of(found, name).versions.get(chosen)
    if known is not None and known.deleted:
        say(f"{model} {version} was deleted already")
        return
    confirm(f"Delete the files of {model} {version}? There is no way back.", yes=yes)
    _ask(found, name, chosen, DELETE, reason)


def prune(
    older_than: Annotated[float, typer.Option(min=0, help="Days since a version was published, at least.")] = 30.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show them, which is what happens without --yes.")
    ] = False,
    model: ModelOption = MODEL,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Archive and delete them.")] = False,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Show which old versions nothing uses; with --yes delete them. Production, previous and staging stay."""
    found, name = installation(home, context, namespace), model_name(model)
    old = prunable(state_of(found, name), now=now(), age=timedelta(days=older_than))
    rows = [
        {"version": each.version, "stage": each.stage.value, "published": timestamp(each.published)} for each in old
    ]
    print_data(rows, output, columns=("version", "stage", "published"))
    if dry_run or not yes:
        say(f"{len(old)} would be deleted; add --yes to delete them" if old else "nothing to delete")
        return
    found.require_controller()
    for each in old:
        reason = f"pruned: published {timestamp(each.published)}, older than {older_than:g} days"
        if each.stage is not Stage.ARCHIVED:
            _ask(found, name, each.version, ARCHIVE, reason)
        _ask(found, name, each.version, DELETE, reason)


def _ask(place: Place, model: Model, version: Version, action: str, reason: str) -> None:
    entry = ask(place, model, {"action": action, "version": version, "to": "", "reason": reason}, seconds=ANSWER)
    say(f"done: {summary(entry)}")
