"""What the shell offers for a model or a version: names of directories, without a look into any of them.

Reading nothing but names keeps the answer to a TAB quick, whatever is damaged; with `--context` the controller there is
asked for them, and nothing is offered where it does not answer at once. `geometry --install-completion` sets the shell
up.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from registry.cli.options import MODEL, place
from registry.domain.errors import InvalidName
from registry.domain.version import Model, model_name

if TYPE_CHECKING:
    from registry.adapters.cluster.place import ClusterPlace

Name = TypeVar("Name", bound=str)

AT_ONCE = 1.0
"""Seconds that a cluster may take to answer a TAB."""


def complete_version(context: typer.Context, incomplete: str) -> list[str]:
    """Versions in the store of the model that was named so far, the newest number first."""
    home, model = context.params.get("home"), context.params.get("model") or MODEL
    try:
        name = model_name(model)
        if context.params.get("context"):
            found = _of_cluster(context, lambda there: there.stored(name))
        else:
            found = place(home).versions().versions(name)
    except (InvalidName, OSError):
        return []
    numbers = sorted(found, key=lambda version: [int(part) for part in version.split(".")], reverse=True)
    return [version for version in numbers if version.startswith(incomplete)]


def complete_model(context: typer.Context, incomplete: str) -> list[str]:
    """Models that have a store or a journal."""
    found = place(context.params.get("home"))
    if context.params.get("context"):
        return sorted(
            name for name in _of_cluster(context, lambda there: there.models()) if name.startswith(incomplete)
        )
    try:
        names: set[Model] = {*found.versions().models(), *found.journals()}
    except OSError:
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def complete_log(context: typer.Context, incomplete: str) -> list[str]:
    """Processes that have a log."""
    directory: Path = place(context.params.get("home")).run / "logs"
    return sorted(path.stem for path in directory.glob("*.log") if path.stem.startswith(incomplete))


def _of_cluster(context: typer.Context, ask: "Callable[[ClusterPlace], Sequence[Name]]") -> Sequence[Name]:
    """What a cluster answers at once, nothing else. Nobody waits for the thread, which ends with this process."""
    answered: list[Sequence[Name]] = []

    def asking() -> None:
        with suppress(Exception):  # whatever is wrong there, a TAB is not the moment to say so
            from registry.adapters.cluster.api import connect
            from registry.adapters.cluster.place import ClusterPlace

            api = connect(context.params["context"], context.params.get("namespace"))
            answered.append(ask(ClusterPlace(api, Path())))

    thread = threading.Thread(target=asking, daemon=True)
    thread.start()
    thread.join(AT_ONCE)
    return answered[0] if answered else ()


VersionArgument = Annotated[str, typer.Argument(help="Version.", autocompletion=complete_version)]
ModelOption = Annotated[
    str,
    typer.Option("-m", "--model", help="Name of the model.", envvar="GEOMETRY_MODEL", autocompletion=complete_model),
]
