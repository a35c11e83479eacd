"""Options that many verbs share, and what they stand for."""

import getpass
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from registry.domain.errors import NotVerified
from registry.domain.version import DEFAULT_MODEL
from registry.store.home import Home, home

CONTEXT, NAMESPACE = "GEOMETRY_CONTEXT", "GEOMETRY_NAMESPACE"


class Format(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


FormatOption = Annotated[Format, typer.Option("-o", "--output", help="How data is printed.")]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", help="An installation in a cluster: a context of the kubeconfig.", envvar=CONTEXT),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("-n", "--namespace", help="Its namespace (default: the context's).", envvar=NAMESPACE),
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The installation's folder (default: $GEOMETRY_HOME or .geometry).")
]
AsOption = Annotated[
    str | None,
    typer.Option("--as", help="Ask in this name; on one machine nobody checks it, and the journal says so."),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Recorded in the journal.")]
YesOption = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
BRING_BACK = "bring its signed files with `geometry models import` or `geometry restore`, or take another version"
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MODEL: str = DEFAULT_MODEL
AS: str | None = None


def duration_of(text: str) -> timedelta | None:
    """`90s`, `15m`, `1h`, `2d`; None for anything else."""
    found = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: float(found[1])}) if found else None


def place(given: Path | None) -> Home:
    """The installation that was named."""
    return home(os.environ, given)


def now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def user() -> str:
    """Who asks: the login name. On one machine nobody checks it."""
    return getpass.getuser()


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr)


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Say what to do about what does not verify: that depends on what it was needed for."""
    try:
        yield
    except NotVerified as error:
        raise NotVerified(f"{error}; {advice}") from error


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere `--yes` is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody is there to ask: add --yes.")
    typer.confirm(question, abort=True, err=True)
