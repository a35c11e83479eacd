"""`geometry label`: true classes of images that were answered, by the id of the request.

`-o json` and `-o yaml` print one object: {taken, unknown, repeated, versions: {version: {right, wrong}}}. Of all
labels, `taken` counted, `unknown` were of no answer that is still known, `repeated` came after another of their image.
"""

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.asking import wait_for
from registry.cli.completion import ModelOption
from registry.cli.options import MODEL, ContextOption, Format, FormatOption, HomeOption, NamespaceOption
from registry.cli.places import Journal, Place, installation
from registry.cli.printing import print_data
from registry.domain.errors import InvalidDocument, NotFound
from registry.domain.fold import fold
from registry.domain.journal import Entry, Kind, check_anchor
from registry.domain.label_lines import parse_labels
from registry.domain.state import State
from registry.domain.version import model_name

WAIT = 60.0
"""Seconds the controller may take: a turn for each thousand of labels."""


def add(app: typer.Typer) -> None:
    app.command()(label)


def label(
    file: Annotated[str, typer.Argument(help="Lines of JSON {id, index, label} or CSV id,index,label; - for stdin.")],
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the controller.")] = WAIT,
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Say which classes images really showed; the first label of an image counts.

    A wrong line is told with its number, and then nothing is taken.
    """
    found, name = installation(home, context, namespace), model_name(model)
    anchor, journal = found.acted_upon(name), found.journal_of(name)
    entries = journal.read()
    labels = parse_labels(_text(file), where=file, classes=_classes(found, fold(name, entries)))
    found.require_controller()
    check_anchor(entries, anchor)
    names = frozenset(found.leave_labels(name, labels))
    print_data(_summed(_recorded(found, journal, names, seconds=timeout)), output)


def _text(file: str) -> str:
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"{file}: byte {error.start} is no UTF-8, wanted lines of text") from error


def _classes(found: Place, state: State) -> Sequence[str]:
    """What running versions may say: another class is a slip. Empty where no card can be read."""
    model = state.model
    if not state.versions:
        raise NotFound(f"{model}: has no version, so nothing was answered; -m names another model")
    rollout = state.rollout
    names: dict[str, None] = {}
    for version in (state.production, rollout.version if rollout is not None else None):
        if version is not None:
            card = found.recorded_card(model, version, digest=state.version(version).digest)
            names |= dict.fromkeys(card.classes if card is not None else ())
    return tuple(names)


def _recorded(found: Place, journal: Journal, names: Collection[str], *, seconds: float) -> list[Entry]:
    """Wait for the entries of these files; raises Unreachable or TimeoutError."""

    def look() -> list[Entry] | None:
        entries = [entry for entry in journal.read() if entry.kind is Kind.LABELLED and entry.data["file"] in names]
        if len(entries) == len(names):
            return entries
        found.require_controller()
        return None

    return wait_for(found, look, seconds=seconds, what="labels, which wait for the controller and count later")


def _summed(entries: Sequence[Entry]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    versions: dict[str, Counter[str]] = {}
    for entry in entries:
        counts.update({key: entry.data[key] for key in ("taken", "unknown", "repeated")})
        for version, found in entry.data["versions"].items():
            versions.setdefault(version, Counter()).update(found)
    shown = {version: dict(found) for version, found in versions.items()}
    return {**{key: counts[key] for key in ("taken", "unknown", "repeated")}, "versions": shown}
