"""`geometry doctor`: is everything here as it should be, and what to do where it is not."""

import typer

from registry.cli.options import ContextOption, Format, FormatOption, HomeOption, NamespaceOption
from registry.cli.places import installation
from registry.cli.printing import print_data
from registry.domain.errors import RegistryError


def add(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Check volumes, journals, anchors, versions, keys and policy; of a cluster what it lacks. Exit 1 when something is
    wrong."""
    found = installation(home, context, namespace)
    findings = found.examine()
    rows = [{"result": "ok" if each.ok else "wrong", "what": each.subject, "detail": each.detail} for each in findings]
    print_data(rows, output, columns=("result", "what", "detail"))
    if wrong := sum(not each.ok for each in findings):
        raise RegistryError(
            f"{found.title}: {wrong} of {len(findings)} checks found something wrong; mend that, then ask again"
        )
