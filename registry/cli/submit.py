"""The part of `geometry train --submit` that knows clusters; training asks for it as for a verb, as it knows none."""

import sys
from typing import Annotated

import typer

from registry.cli.options import ContextOption, NamespaceOption, say
from registry.domain.errors import RegistryError

VERB = "submit"


def add(app: typer.Typer) -> None:
    """Add the verb; it is not shown, `geometry train --help` is where people look."""
    app.command(VERB, hidden=True)(submit)


def submit(
    arguments: Annotated[list[str], typer.Argument(help="Of geometry, in the Job.")],
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    image: Annotated[str | None, typer.Option(help="Of the trainer.")] = None,
    cpu: Annotated[str | None, typer.Option(help="Cores, such as 4 or 500m.")] = None,
    memory: Annotated[str | None, typer.Option(help="Such as 6Gi.")] = None,
    data: Annotated[str | None, typer.Option(help="PersistentVolumeClaim with images.")] = None,
) -> tuple[int, str]:
    """Run geometry with ARGUMENTS as a Job, tell its log, and return its exit code and the last line of JSON."""
    try:
        from registry.adapters.cluster.api import connect
        from registry.adapters.cluster.jobs import Following, Wish
        from registry.adapters.cluster.jobs import submit as create
    except ModuleNotFoundError as error:
        raise RegistryError(f"{error.name} is not installed here; install the extra `cluster`") from error
    api = connect(context, namespace)
    resources = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    name = create(api, Wish(arguments, image=image, resources=resources, data=data))
    say(f"job {name} in {api.namespace}")
    told = ""

    def tell(line: str) -> None:
        nonlocal told
        if line.startswith("{"):
            told = line
        else:
            print(line, file=sys.stderr, flush=True)

    try:
        return Following(api, name, tell).end(), told
    except KeyboardInterrupt:
        say(f"job {name} goes on; kubectl -n {api.namespace} logs -f job/{name}, or delete job/{name} to end it")
        raise
