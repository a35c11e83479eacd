"""What the shell offers for a model or a version: names of directories, without a look into any of them.

Reading nothing but names keeps the answer to a TAB quick, whatever is damaged; `geometry --install-completion` sets the
shell up.
"""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli.options import MODEL, place
from registry.domain.errors import InvalidName
from registry.domain.version import Model, model_name


def complete_version(context: typer.Context, incomplete: str) -> list[str]:
    """Versions in the store of the model that was named so far, the newest number first."""
    home, model = context.params.get("home"), context.params.get("model") or MODEL
    try:
        found = place(home).versions().versions(model_name(model))
    except (InvalidName, OSError):
        return []
    numbers = sorted(found, key=lambda version: [int(part) for part in version.split(".")], reverse=True)
    return [version for version in numbers if version.startswith(incomplete)]


def complete_model(context: typer.Context, incomplete: str) -> list[str]:
    """Models that have a store or a journal."""
    found = place(context.params.get("home"))
    try:
        names: set[Model] = {*found.versions().models(), *found.journals()}
    except OSError:
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def complete_log(context: typer.Context, incomplete: str) -> list[str]:
    """Processes that have a log."""
    directory: Path = place(context.params.get("home")).run / "logs"
    return sorted(path.stem for path in directory.glob("*.log") if path.stem.startswith(incomplete))


VersionArgument = Annotated[str, typer.Argument(help="Version.", autocompletion=complete_version)]
ModelOption = Annotated[
    str,
    typer.Option("-m", "--model", help="Name of the model.", envvar="GEOMETRY_MODEL", autocompletion=complete_model),
]
