"""The verbs, put together; and the one place where errors become exit codes."""

import sys
from importlib.metadata import entry_points

import typer

from registry.cli import (
    backups,
    commands,
    control,
    doctor,
    drift,
    history,
    label,
    local,
    manifests,
    models,
    promotion,
    rehearsal,
    report,
    status,
    submit,
)
from registry.domain.errors import InvalidName, JournalDamaged, NotFound, Refused, RegistryError, Unreachable

PLUGINS = "geometry.commands"
"""Entry points of this group are verbs of packages that the registry does not know, such as `train`."""

FAILURE, USAGE, REFUSED, TIMEOUT, UNREACHABLE = 1, 2, 3, 4, 5

app = typer.Typer(
    name="geometry",
    help="Train an image classifier, serve it, and promote it to production by evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 failure, 2 usage, 3 refused by a rule, 4 timeout, 5 unreachable: no controller, or the "
    "journal is not the one that was acted upon.",
)
for add in (
    promotion.add,
    control.add,
    rehearsal.add,
    status.add,
    history.add,
    report.add,
    drift.add,
    commands.add,
    label.add,
    models.add,
    backups.add,
    doctor.add,
    local.add,
    submit.add,
    manifests.add,
):
    add(app)


def add_plugins() -> None:
    """Add the verbs of installed packages that the registry does not know."""
    for point in entry_points(group=PLUGINS):
        try:
            verb = point.load()
        except ModuleNotFoundError:
            continue  # its extra is not installed
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=point.name)
        else:
            app.command(point.name)(verb)


def exit_code(error: Exception) -> int:
    """The exit code of an error."""
    if isinstance(error, Refused):
        return REFUSED
    if isinstance(error, Unreachable | JournalDamaged):
        return UNREACHABLE
    if isinstance(error, InvalidName):
        return USAGE
    if isinstance(error, TimeoutError):
        return TIMEOUT
    return int(getattr(error, "exit_code", FAILURE))


def main() -> None:
    """Entry point of the console script."""
    add_plugins()
    try:
        app(prog_name="geometry")
    except (RegistryError, TimeoutError, OSError) as error:
        print(f"geometry: {_told(error)}", file=sys.stderr)
        sys.exit(exit_code(error))
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        print(f"geometry: {error}", file=sys.stderr)
        sys.exit(exit_code(error))


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, NotFound) or str(error):
        return str(error)
    return type(error).__name__
