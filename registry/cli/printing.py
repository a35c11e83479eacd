"""Data on stdout: a table for people, JSON or YAML for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from registry.cli.options import Format


def print_data(data: Any, form: Format, *, columns: Sequence[str] = ()) -> None:
    """Print a list of objects or one object. columns: those of the table, in order; by default all."""
    if form is Format.JSON:
        print(json.dumps(data, indent=2, default=str))
    elif form is Format.YAML:
        import yaml

        print(yaml.safe_dump(json.loads(json.dumps(data, default=str)), sort_keys=False, allow_unicode=True), end="")
    else:
        rows = data if isinstance(data, list) else [{"field": key, "value": value} for key, value in data.items()]
        print_table(rows, columns if isinstance(data, list) else ("field", "value"))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Columns as wide as their longest cell, as kubectl prints them; no colour, so that it can be piped."""
    cells = [[column.upper() for column in columns], *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    for line in cells:
        print("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    return str(value)
