"""`geometry history`: the journal, and what it says about one moment of the past."""

from datetime import datetime
from typing import Annotated

import typer

from registry.cli.completion import ModelOption
from registry.cli.options import (
    MODEL,
    ContextOption,
    Format,
    FormatOption,
    HomeOption,
    NamespaceOption,
    duration_of,
    now,
)
from registry.cli.places import installation
from registry.cli.printing import print_data, print_table
from registry.domain.documents import moment, timestamp
from registry.domain.errors import InvalidDocument
from registry.domain.journal import Entry, Kind, check_anchor
from registry.domain.past import Moment, moment_of
from registry.domain.summary import summary
from registry.domain.version import model_name


def add(app: typer.Typer) -> None:
    app.command()(history)


def history(
    at: Annotated[
        str | None, typer.Option("--at", help="What was so then: RFC 3339, or -2h for two hours ago.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many of the last entries.")] = None,
    evidence: Annotated[bool, typer.Option("--evidence", help="Also the judge's evidence.")] = False,
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Print the journal: what was asked, by whom, what was decided, and why; with --at what served at that time."""
    found, name = installation(home, context, namespace), model_name(model)
    anchor = found.acted_upon(name)
    entries = found.journal_of(name).read()
    check_anchor(entries, anchor)
    if at is not None:
        _print_moment(moment_of(name, entries, _time(at)), output)
        return
    shown = [entry for entry in entries if evidence or output is not Format.TABLE or entry.kind is not Kind.EVIDENCE]
    shown = shown[-limit:] if limit else shown
    if output is not Format.TABLE:
        print_data([_document(entry) for entry in shown], output)
        return
    rows = [
        {"sequence": entry.sequence, "time": timestamp(entry.time), "actor": entry.actor, "what": summary(entry)}
        for entry in shown
    ]
    print_table(rows, ("sequence", "time", "actor", "what"))


def _document(entry: Entry) -> dict[str, object]:
    return {
        "sequence": entry.sequence,
        "time": timestamp(entry.time),
        "actor": entry.actor,
        "kind": entry.kind.value,
        "data": dict(entry.data),
    }


def _time(text: str) -> datetime:
    ago = duration_of(text[1:]) if text.startswith("-") else None
    if ago is not None:
        return now() - ago
    try:
        return moment(text)
    except InvalidDocument:
        raise typer.BadParameter(f"--at {text}: wanted RFC 3339 with a zone (2026-03-01T09:30:00Z) or -2h") from None


def _print_moment(found: Moment, output: Format) -> None:
    if output is not Format.TABLE:
        print_data(found.document(), output)
        return
    print(f"{found.state.model} at {timestamp(found.time)}; the journal had {found.state.head.sequence} entries")
    decided, rollout = found.production, found.state.rollout
    print(f"production: {decided.version if decided else 'none'}")
    if decided is not None:
        told = decided.document()
        print(f"since: {told['since']} (entry {told['entry']}), digest {decided.digest[:12]}")
        print(f"asked for by: {told['askedBy'] or 'nobody'}" + _why(told["askedReason"]))
        print(f"decided by: {told['decidedBy']}" + _why(told["reason"]))
        if told["numbers"]:
            print_data(told["numbers"], Format.TABLE)
    print("weights: " + (", ".join(f"{version} {weight} %" for version, weight in found.weights.items()) or "none"))
    if rollout is not None:
        print(f"{rollout.what}: {rollout.version} since {timestamp(rollout.started)}, asked for by {rollout.by}")


def _why(reason: str | None) -> str:
    return f" ({reason})" if reason else ""
