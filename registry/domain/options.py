"""Checked access to an object whose keys are optional: a policy or a part of it.

A key that is absent or empty has its default; a key nobody knows is refused by name.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument

LONGEST = 10 * 366 * 86400.0
"""No duration is longer than ten years of seconds."""


class Options:
    """One object. `where` names it in messages, `known` are the keys it may have. A default of None: wanted."""

    def __init__(self, document: object, where: str, *known: str, path: tuple[str | int, ...] = ()) -> None:
        self._fields = Fields(document, where, path)
        self._where = where
        for key in self._fields:
            if key not in known:
                raise self.wrong(f"key {key!r} is unknown", f"one of {', '.join(known)}", key)

    def wrong(self, found: str, wanted: str, key: str | None = None) -> InvalidDocument:
        """The error to raise about `key`, or about the whole object."""
        path = self._fields.path if key is None else (*self._fields.path, key)
        return InvalidDocument(f"{self._where}: {found}, wanted {wanted}", path)

    def has(self, key: str) -> bool:
        return self._fields.has(key)

    def text(self, key: str) -> str | None:
        return self._fields.text(key) if self.has(key) else None

    def texts(self, key: str) -> tuple[str, ...]:
        return self._fields.texts(key) if self.has(key) else ()

    def choice(self, key: str, default: str | None, choices: Sequence[str]) -> str:
        value = self._fields.text(key) if self.has(key) or default is None else default
        if value not in choices:
            raise self.wrong(f"{key} is {value!r}", f"one of {', '.join(choices)}", key)
        return value

    def boolean(self, key: str) -> bool:
        return self._fields.boolean(key)

    def integer(self, key: str, default: int | None, *, minimum: int = 0) -> int:
        if default is not None and not self.has(key):
            return default
        return self._fields.integer(key, minimum=minimum)

    def number(self, key: str, default: float | None, *, above: float = -math.inf, below: float = math.inf) -> float:
        """A number strictly between `above` and `below`."""
        if default is not None and not self.has(key):
            return default
        value = self._fields.number(key)
        if not above < value < below:
            raise self.wrong(f"{key} is {value:g}", f"a number above {above:g} and below {below:g}", key)
        return value

    def limit(self, key: str, *, above: float = -math.inf, below: float = math.inf) -> float | None:
        """As `number`; None where there is none."""
        return self.number(key, None, above=above, below=below) if self.has(key) else None

    def seconds(self, key: str, default: float) -> float:
        return self._fields.number(key, minimum=0, maximum=LONGEST) if self.has(key) else default

    def mapping(self, key: str) -> Mapping[str, Any]:
        """The object under `key`, unchecked."""
        return self._fields.object(key).document if self.has(key) else {}

    def section(self, key: str, *known: str) -> "Options":
        return Options(self.mapping(key), f"{self._where}: {key}", *known, path=(*self._fields.path, key))

    def sections(self, key: str, *known: str) -> tuple["Options", ...] | None:
        """The objects of a list; None where there is no list."""
        if not self.has(key):
            return None
        return tuple(
            Options(item.document, f"{self._where}: {key}[{index}]", *known, path=item.path)
            for index, item in enumerate(self._fields.objects(key))
        )
