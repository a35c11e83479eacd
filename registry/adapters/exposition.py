"""Prometheus's text format, read as counters: samples by name and labels, values as they are written."""

import math
import re
from collections.abc import Mapping

from registry.domain.errors import InvalidDocument

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')

Labels = frozenset[tuple[str, str]]
Samples = Mapping[tuple[str, Labels], str]


def samples_of(text: str, names: frozenset[str]) -> Samples:
    """The samples of these names. Raises InvalidDocument.

    The last line must be whole: half a number is a smaller number. One sample twice is a contradiction.
    """
    if not text.endswith("\n"):
        raise InvalidDocument("metrics are cut off")
    found: dict[tuple[str, Labels], str] = {}
    for line in text.split("\n"):
        if line.startswith("#") or line.partition("{")[0].partition(" ")[0] not in names:
            continue
        sample = _SAMPLE.fullmatch(line)
        if sample is None:
            raise InvalidDocument(f"metrics: {line[:100]!r} is no sample")
        key = (sample[1], _labels(sample[2] or ""))
        if key in found:
            raise InvalidDocument(f"metrics: {line[:100]!r} is there twice")
        found[key] = sample[3]
    return found


def _labels(text: str) -> Labels:
    """Values stay escaped: none of those compared here has anything to escape."""
    labels: list[tuple[str, str]] = []
    end = 0
    while end < len(text):
        label = _LABEL.match(text, end)
        if label is None:
            raise InvalidDocument(f"metrics: {text[:100]!r} are no labels")
        labels.append((label[1], label[2]))
        end = label.end()
    return frozenset(labels)


def count_of(found: Samples, key: tuple[str, Labels]) -> int:
    """A counter's value: a whole number of at least 0, below 2^53 where doubles stop counting by one."""
    try:
        value = float(found[key])
    except ValueError:
        value = math.nan
    if not (0 <= value < 2**53 and value.is_integer()):
        raise InvalidDocument(f"metrics: {key[0]} is {found[key][:40]!r}, wanted a count")
    return int(value)


def counts_by(found: Samples, name: str, own: Labels, label: str) -> dict[str, int]:
    """The counts of a series whose labels are `own` and one more, by its value."""
    return {
        dict(labels - own).get(label, ""): count_of(found, (name, labels))
        for other, labels in found
        if other == name and own < labels and len(labels) == len(own) + 1
    }


def edge_of(text: str) -> float:
    """An `le`; raises InvalidDocument."""
    try:
        return float(text)
    except ValueError:
        raise InvalidDocument(f"metrics: le is {text[:40]!r}, wanted a number") from None
