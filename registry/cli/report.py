"""`geometry report`: where the page about a rollout is, written anew where it is not."""

from typing import Annotated

import typer

from registry.cli.completion import ModelOption, complete_version
from registry.cli.options import MODEL, ContextOption, HomeOption, NamespaceOption
from registry.cli.places import installation
from registry.domain.account import accounts
from registry.domain.errors import NotFound
from registry.domain.version import model_name, version_name
from registry.store.reports import rollout_of


def add(app: typer.Typer) -> None:
    app.command("report")(print_report)


def print_report(
    version: Annotated[
        str | None,
        typer.Argument(help="Its latest rollout (default: of any).", autocompletion=complete_version),
    ] = None,
    sequence: Annotated[int | None, typer.Option(help="The rollout that this journal entry started.")] = None,
    open_path: Annotated[bool, typer.Option("--open-path", help="Print it as a browser's address.")] = False,
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Print the path of a rollout's report: steps, evidence, counts, confusion, who and when, in one HTML page."""
    found, name = installation(home, context, namespace), model_name(model)
    told = accounts(name, found.journal_of(name).read())
    account = rollout_of(told, name, version=version_name(version) if version else None, sequence=sequence)
    if account.end is None:
        raise NotFound(
            f"{name}: the rollout of {account.version} is in progress and its report is written when it has ended; "
            "`geometry status` shows it now"
        )
    path = found.report(account)
    print(path.as_uri() if open_path else path)
