"""Labels as lines of text: JSON objects `{"id", "index", "label"}` or CSV `id,index,label`; without index it is 0.

All lines or none: a text with a wrong line is refused with every wrong line and its number.
"""

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from registry.domain.answers import Key
from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument

Label = tuple[Key, str]

SHOWN = 20
"""So many wrong lines are told."""

LONGEST_ID = 128
"""Characters of a request's id; a server gives a request with a longer one another."""

HIGHEST_INDEX = 65535

COLUMNS = (["id", "index", "label"], ["id", "label"])
"""Of CSV; a first line that names them is none of its rows."""


def parse_labels(text: str, *, where: str, classes: Collection[str] = ()) -> tuple[Label, ...]:
    """The labels of a text, in its order; raises InvalidDocument. classes: the only ones there are; none: any."""
    found: list[Label] = []
    wrong: list[str] = []
    lines = _objects(text) if text.lstrip().startswith("{") else _rows(text)
    for number, line in lines:
        try:
            found.append(_label(Fields.parse(line, "label") if isinstance(line, bytes) else _named(line), classes))
        except InvalidDocument as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        told = [*wrong[:SHOWN], *([f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else [])]
        raise InvalidDocument(
            "\n".join([f"{where}: {len(wrong)} wrong lines; nothing was taken, correct them:", *told])
        )
    if not found:
        raise InvalidDocument(f'{where}: found no label, wanted lines such as {{"id": "r1", "label": "circle"}}')
    return tuple(found)


def label_lines(labels: Sequence[Label]) -> str:
    """Inverse of `parse_labels`, as JSON."""
    return "".join(f"{json.dumps({'id': key.id, 'index': key.image, 'label': label})}\n" for key, label in labels)


def _objects(text: str) -> Iterator[tuple[int, bytes]]:
    return ((number, line.encode()) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line is a row: no label has a line end in it, and a lost quotation mark must not swallow the rest."""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            row = next(csv.reader([line.strip()], skipinitialspace=True), [])
        except csv.Error:
            row = [line]
        if row and not (number == 1 and row in COLUMNS):
            yield number, row


def _named(row: list[str]) -> Fields:
    names = next((columns for columns in COLUMNS if len(columns) == len(row)), None)
    if names is None:
        raise InvalidDocument(f"found {len(row)} columns, wanted id,index,label or id,label")
    document: dict[str, Any] = dict(zip(names, row, strict=True))
    index = document.get("index", "0")
    if index.isdecimal() and len(index) <= len(str(HIGHEST_INDEX)):
        document["index"] = int(index)
    return Fields(document, "label")


def _label(fields: Fields, classes: Collection[str]) -> Label:
    unknown = [name for name in fields if name not in COLUMNS[0]]
    if unknown:
        raise InvalidDocument(f"label: key {unknown[0]!r} is unknown, wanted one of id, index, label")
    id, label = fields.text("id"), fields.text("label")
    index = fields.integer("index") if "index" in fields.document else 0
    if not (id.isascii() and id.isprintable() and " " not in id and 0 < len(id) <= LONGEST_ID):
        raise InvalidDocument(
            f"id is {id[:LONGEST_ID]!r}, wanted a request's: {LONGEST_ID} printable characters at most"
        )
    if index > HIGHEST_INDEX:
        raise InvalidDocument(f"index is {index}, wanted an image's place in its request, {HIGHEST_INDEX} at most")
    if not label or (classes and label not in classes):
        raise InvalidDocument(f"label is {label[:100]!r}, wanted one of {', '.join(classes) or 'the classes'}")
    return Key(id, index), label
