"""JSON documents of the train→serve contract: canonical bytes out, checked fields in.

One way to write (sorted keys, no spaces, one newline) so that equal values have equal digests; one way to read, so that
every complaint names the document, the field, what was found and what was wanted.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from registry.domain.errors import InvalidDocument


def canonical_bytes(document: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON with sorted keys, without spaces, ending in one newline. NaN and infinities are refused."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def sha256(content: bytes) -> str:
    """Hexadecimal sha256."""
    return hashlib.sha256(content).hexdigest()


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-03-01T09:30:00.125Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """Inverse of `timestamp`; raises InvalidDocument."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise InvalidDocument(f"time {text!r}: wanted RFC 3339 with a zone, such as 2026-03-01T09:30:00.125Z")
    return parsed.astimezone(UTC)


class Fields:
    """Checked access to one JSON object. `where` names it in messages, such as `card.json`; `path` leads to it."""

    def __init__(self, document: object, where: str, path: tuple[str | int, ...] = ()) -> None:
        if not isinstance(document, dict):
            raise InvalidDocument(f"{where}: found {type(document).__name__}, wanted an object", path)
        self._document: dict[str, Any] = document
        self._where = where
        self.path = path

    @classmethod
    def parse(cls, content: bytes, where: str) -> "Fields":
        """Read JSON bytes; raises InvalidDocument when they are not one JSON object in UTF-8 without NaN."""

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        try:
            document = json.loads(content.decode(), parse_constant=refuse)
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise InvalidDocument(f"{where}: not readable as JSON ({error})") from error
        return cls(document, where)

    def _get(self, key: str) -> Any:
        if key not in self._document:
            raise InvalidDocument(f"{self._where}: {key} is missing", self.path)
        return self._document[key]

    def _wrong(self, key: str, wanted: str) -> InvalidDocument:
        message = f"{self._where}: {key} is {self._document[key]!r}, wanted {wanted}"
        return InvalidDocument(message, (*self.path, key))

    @property
    def document(self) -> Mapping[str, Any]:
        """The object as it was read."""
        return self._document

    def has(self, key: str) -> bool:
        return self._document.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def boolean(self, key: str) -> bool:
        value = self._get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def integer(self, key: str, *, minimum: int = 0) -> int:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise self._wrong(key, f"an integer of at least {minimum}")
        return value

    def number(self, key: str, *, minimum: float = -math.inf, maximum: float = math.inf) -> float:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise self._wrong(key, f"a number from {minimum} to {maximum}")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of strings")
        return tuple(value)

    def integers(self, key: str) -> tuple[int, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not all(
            isinstance(item, int) and not isinstance(item, bool) for item in value
        ):
            raise self._wrong(key, "a list of integers")
        return tuple(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not all(
            isinstance(item, int | float) and not isinstance(item, bool) for item in value
        ):
            raise self._wrong(key, "a list of numbers")
        return tuple(float(item) for item in value)

    def object(self, key: str) -> "Fields":
        return Fields(self._get(key), f"{self._where}: {key}", (*self.path, key))

    def objects(self, key: str) -> tuple["Fields", ...]:
        value = self._get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list of objects")
        return tuple(
            Fields(item, f"{self._where}: {key}[{index}]", (*self.path, key, index)) for index, item in enumerate(value)
        )

    def schema(self, known: int) -> None:
        """Refuse a document of another schema."""
        if self.integer("schema") != known:
            raise self._wrong("schema", f"{known}: the document was written by another release of ml-geometry")
