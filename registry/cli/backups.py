"""`geometry backup` and `geometry restore`."""

from pathlib import Path
from typing import Annotated

import typer

from registry.adapters.local.anchors import DIRECTORY, read_anchors
from registry.cli.options import (
    ContextOption,
    Format,
    FormatOption,
    HomeOption,
    NamespaceOption,
    advising,
    now,
    place,
    say,
    user,
)
from registry.cli.places import installation
from registry.cli.printing import print_data
from registry.domain.documents import timestamp
from registry.store.backup import Backup
from registry.store.restore import restore as bring_back


def add(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(
    to: Annotated[Path | None, typer.Option("--to", help="Directory of backups (default: the policy's).")] = None,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Write a proved copy of journals, versions, trust list and policy; never of private keys. Writers go on."""
    written = installation(home, context, namespace).back_up(to)
    print_data(_rows(written), output)


def restore(
    directory: Annotated[Path, typer.Argument(help="A backup: one directory that `geometry backup` wrote.")],
    reason: Annotated[str, typer.Option(help="Recorded in the journal.")] = "",
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
) -> None:
    """Bring a backup back, once all of it is proved. Nothing that is here is overwritten; no controller may run."""
    found = place(home)
    anchors = read_anchors(found.root / DIRECTORY)
    with advising("take another backup, or write one with `geometry backup`"):
        restored = bring_back(found, directory, anchors=anchors, by=user(), reason=reason, now=now())
    for path in restored.kept:
        say(f"{path}: is another than the backup's, and stays as it is")
    print_data(_rows(restored.backup), output)


def _rows(backup: Backup) -> dict[str, object]:
    return {
        "backup": str(backup.directory),
        "digest": backup.digest,
        "created": timestamp(backup.created),
        "entries": {model: len(entries) for model, entries in backup.entries.items()},
        "versions": {model: len(state.versions) for model, state in backup.states.items()},
    }
