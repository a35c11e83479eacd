"""`geometry doctor`: is everything here as it should be, and what to do where it is not."""

import typer

from registry.adapters.local.anchors import DIRECTORY, read_anchors
from registry.cli.options import Format, FormatOption, HomeOption, place
from registry.cli.printing import print_data
from registry.domain.errors import RegistryError
from registry.store.doctor import Finding, examine
from registry.store.home import Home


def add(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(output: FormatOption = Format.TABLE, home: HomeOption = None) -> None:
    """Check volumes, journals, anchors, versions, keys and policy. Exit 1 when something is wrong."""
    found = place(home)
    findings = _findings(found)
    rows = [{"result": "ok" if each.ok else "wrong", "what": each.subject, "detail": each.detail} for each in findings]
    print_data(rows, output, columns=("result", "what", "detail"))
    if wrong := sum(not each.ok for each in findings):
        raise RegistryError(
            f"{found.root}: {wrong} of {len(findings)} checks found something wrong; mend that, then ask again"
        )


def _findings(home: Home) -> list[Finding]:
    try:
        anchors = read_anchors(home.root / DIRECTORY)
    except RegistryError as error:
        return [Finding("anchors", False, str(error)), *examine(home, {})]
    return list(examine(home, anchors))
