"""Canonical bytes out, checked fields in."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.documents import Fields, canonical_bytes, moment, timestamp
from registry.domain.errors import InvalidDocument

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('aé\n"x'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc"), JSON, max_size=4))
def test_what_is_written_is_read_and_written_alike(document: dict[str, object]) -> None:
    content = canonical_bytes(document)
    assert Fields.parse(content, "x").document == document
    assert canonical_bytes(json.loads(content)) == content


def test_order_of_keys_does_not_count() -> None:
    assert canonical_bytes({"b": 1, "a": [1, 2]}) == canonical_bytes({"a": [1, 2], "b": 1}) == b'{"a":[1,2],"b":1}\n'


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"a":NaN}', b'{"a":1}x', b"[" * 100_000, b"null"])
def test_other_bytes_are_refused_by_name(content: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"card\.json"):
        Fields.parse(content, "card.json")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        ("text", 1),
        ("integer", True),
        ("integer", 1.0),
        ("integer", -1),
        ("number", "1"),
        ("number", False),
        ("texts", "abc"),
        ("texts", ["a", 1]),
        ("integers", [1, True]),
        ("integers", [1.5]),
        ("numbers", ["1"]),
        ("object", []),
        ("objects", {}),
        ("objects", [{}, 1]),
        ("schema", 2),
    ],
)
def test_a_wrong_field_is_named_with_what_was_found(read: str, value: object) -> None:
    fields = Fields({"schema": value}, "card.json")
    with pytest.raises(InvalidDocument, match=r"card\.json: schema.*(is|found) .*wanted"):
        fields.schema(1) if read == "schema" else getattr(fields, read)("schema")


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidDocument, match=r"card\.json: input: width is missing"):
        Fields({"input": {}}, "card.json").object("input").integer("width")


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_times_are_kept_to_the_millisecond(time: datetime) -> None:
    kept = moment(timestamp(time))
    assert kept == time.replace(microsecond=time.microsecond // 1000 * 1000)
    assert timestamp(kept) == timestamp(time)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-01", "2026-03-01T09:30:00"])
def test_a_time_without_zone_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match="RFC 3339"):
        moment(text)
