"""`geometry models export` and `import`: a version goes from one installation to another, its digest unchanged."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli.completion import ModelOption
from registry.cli.options import BRING_BACK, MODEL, HomeOption, advising, place, say
from registry.cli.places import LocalPlace, state_of
from registry.domain.manifest import Manifest
from registry.domain.version import model_name, version_name
from registry.store.transfer import export_version, import_version


def add(verbs: typer.Typer) -> None:
    verbs.command("export")(export)
    verbs.command("import")(import_file)


def export(
    version: Annotated[str, typer.Argument(help="Version.")],
    to: Annotated[Path, typer.Option("--to", help="The file to write.")],
    model: ModelOption = MODEL,
    home: HomeOption = None,
) -> None:
    """Write a verified version to one file, which another installation imports."""
    with advising(BRING_BACK):
        manifest = export_version(place(home), model_name(model), version_name(version), to=to.absolute())
    _told(manifest, f"is in {to}")


def import_file(
    file: Annotated[Path, typer.Argument(help="What `geometry models export` wrote.")], home: HomeOption = None
) -> None:
    """Store a version that a trusted key signed. The same one again changes nothing; exit 1 names what is wrong."""
    found = place(home)
    here, manifest = LocalPlace(found), import_version(found, file)
    known = manifest.version in state_of(here, manifest.model).versions
    later = "" if here.controller_runs() else " when it runs: `geometry local up`"
    _told(manifest, "is known already" if known else f"is in {found.store}; the controller publishes it{later}")


def _told(manifest: Manifest, where: str) -> None:
    print(manifest.digest)
    say(f"{manifest.model} {manifest.version} {where}")
