"""JSON as requests bring it: parsed by simdjson, of which Python sees only the values that are read.

A hostile body can therefore hold millions of lists without one becoming an object here. Refused are what RFC 8259
does not know (NaN, Infinity, a byte order mark), lone surrogates, integers over 64 bits, deep nesting, and in an
object that is read a name that stands twice.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import orjson
from simdjson import Array, Object, Parser

from predictor.errors import BadRequest

__all__ = ["Array", "Document", "Object", "array", "dumps", "fields", "kind", "parse", "scalars", "shown"]

MAX_NAMES = 64

_NUMBERS = "integers of -2^63 to 2^64 - 1 or finite decimals"
_STRUCTURE = b"[]{},"
_NO_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))
_QUOTE = ord('"')
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_SCALARS = (str, int, float, bool)
_KINDS: dict[type, str] = {
    type(None): "nothing",
    Object: "an object",
    Array: "a list",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


class Document(NamedTuple):
    """A body that is a JSON object."""

    root: Object
    body: bytes

    def skeleton(self) -> bytes:
        """Its brackets, braces and commas, also those inside of strings."""
        return self.body.translate(None, _NO_STRUCTURE)

    def check_depth(self, limit: int) -> None:
        """Raise BadRequest when lists and objects nest deeper than `limit`."""
        if self.body.count(b"[") + self.body.count(b"{") <= limit:
            return
        found = _depth(self.body)
        if found > limit:
            raise BadRequest(f"body: found JSON nested {found} levels deep, wanted at most {limit}")


def parse(body: bytes) -> Document:
    """Read a JSON object; raises BadRequest. The nesting is for the caller to check: some know it by the shape."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise BadRequest("body: found a byte order mark before the JSON, wanted JSON in UTF-8 without one")
    try:
        # A parser of its own costs nothing measurable, and values of an earlier body may still be in somebody's hands.
        root = Parser().parse(body)
    except (ValueError, RuntimeError) as error:
        if str(error).startswith(("BIGINT_ERROR", "NUMBER_ERROR")):
            raise BadRequest(f"body: found a number that is not JSON or over 64 bits, wanted {_NUMBERS}") from None
        raise BadRequest(f"body: found {len(body)} bytes that are not JSON, wanted a JSON object") from None
    if type(root) is not Object:
        raise BadRequest(f"body: found {kind(root)}, wanted a JSON object")
    return Document(root, body)


def fields(item: object, where: str, wanted: Collection[str]) -> dict[str, Any]:
    """Those of the wanted members that an object has; raises BadRequest for no object, or a name that stands twice."""
    if type(item) is Object and len(item) == 1:  # as most are: nothing stands twice
        (only,) = item
        return {only: item[only]} if only in wanted else {}
    names = _names(item, where)
    return {name: item[name] for name in wanted if name in names}  # type: ignore[index]  # _names knows an object


def scalars(item: object, where: str) -> dict[str, Any]:
    """Parameters: an object of strings, numbers and booleans, or nothing; raises BadRequest."""
    if item is None:
        return {}
    members = {}
    for name in _names(item, where):
        if "\0" in name:  # simdjson would look up what stands before it
            raise BadRequest(f"{where}: found a name with a NUL in it, wanted printable names")
        value = item[name]  # type: ignore[index]  # as above
        if type(value) not in _SCALARS:
            raise BadRequest(f"{where}.{shown(name)}: found {kind(value)}, wanted a string, number or boolean")
        members[name] = value
    return members


def array(value: object, where: str, wanted: str) -> Array:
    """The value as a list; raises BadRequest."""
    if type(value) is not Array:
        raise BadRequest(f"{where}: found {kind(value)}, wanted {wanted}")
    return value


def dumps(document: dict[str, Any]) -> bytes:
    """JSON of plain values."""
    return orjson.dumps(document)


def kind(value: object) -> str:
    """What a value is, in words."""
    return _KINDS[type(value)]


def shown(value: object) -> str:
    """A client's value in a message: at most 60 characters of printable text."""
    plain = type(value) in _SCALARS or (isinstance(value, list) and all(type(item) in _SCALARS for item in value))
    text = ascii(value) if plain else kind(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _names(item: object, where: str) -> list[str]:
    if type(item) is not Object:
        raise BadRequest(f"{where}: found {kind(item)}, wanted an object")
    if len(item) > MAX_NAMES:
        raise BadRequest(f"{where}: found an object of {len(item)} names, wanted at most {MAX_NAMES}")
    names = list(item)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"{where}: found the name {shown(twice)} twice, wanted every name once")
    return names


def _depth(body: bytes) -> int:
    """How deep lists and objects nest; brackets inside of strings do not count."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = np.frombuffer(plain.translate(None, _NO_MARKS), np.uint8)
    quotes = marks == _QUOTE
    outside = np.cumsum(quotes, dtype=np.uint8) & 1 == 0
    # Bit 1 tells [ and { from ] and }.
    steps = np.where(outside & ~quotes, (marks & 2).astype(np.int8) - 1, 0)
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))
