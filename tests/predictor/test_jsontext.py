import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.errors import BadRequest
from predictor.jsontext import fields, parse, scalars

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"nothing",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": "\n"}',
        b'{"a": 1} {"a": 1}',
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match=f"^body: found {len(body)} bytes that are not JSON, wanted a JSON object$"):
        parse(body)


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "-9223372036854775809", "1" + "0" * 5000, "1e400", "01", "-Infinity"]
)
def test_a_number_that_64_bits_do_not_hold_is_refused_by_its_range(number: str) -> None:
    with pytest.raises(BadRequest, match=r"^body: found a number .*, wanted integers of -2\^63 to 2\^64 - 1"):
        parse(b'{"a": %s}' % number.encode())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "found a list"),
        (b'"a"', "found a string"),
        (b"null", "found nothing"),
        (b"true", "found a boolean"),
        (b"1.5", "found a number"),
        (b"\xef\xbb\xbf{}", "found a byte order mark"),
    ],
)
def test_json_that_is_no_object_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse(body)


def depth(value: object) -> int:
    if not isinstance(value, list | dict):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4), st.integers(1, 8))
@settings(deadline=None)
def test_nesting_is_counted_in_lists_and_objects(document: dict[str, object], limit: int) -> None:
    parsed = parse(json.dumps(document).encode())
    if depth(document) <= limit:
        parsed.check_depth(limit)
    else:
        with pytest.raises(BadRequest, match=f"nested {depth(document)} levels deep, wanted at most {limit}"):
            parsed.check_depth(limit)


@pytest.mark.parametrize("text", ["[" * 50, '\\"' + "[" * 50, "\\\\" + "{" * 50, "]" * 50])
def test_brackets_inside_of_a_string_nest_nothing(text: str) -> None:
    parse(b'{"a": "%s", "b": [[]]}' % text.encode()).check_depth(3)


def test_a_name_that_stands_twice_is_refused() -> None:
    document = parse(b'{"a": 1, "b": 2, "\\u0061": 3}')
    with pytest.raises(BadRequest, match="body: found the name 'a' twice, wanted every name once"):
        fields(document.root, "body", ("b",))


def test_an_object_of_countless_names_is_refused() -> None:
    document = parse(json.dumps(dict.fromkeys(map(str, range(100_000)))).encode())
    with pytest.raises(BadRequest, match="found an object of 100000 names, wanted at most 64"):
        fields(document.root, "body", ("1",))


def test_parameters_are_strings_numbers_and_booleans() -> None:
    assert scalars(parse(b'{"a": "x", "b": 1, "c": 1.5, "d": false}').root, "parameters") == {
        "a": "x",
        "b": 1,
        "c": 1.5,
        "d": False,
    }


@pytest.mark.parametrize("body", [b'{"a": []}', b'{"a": {}}', b'{"a": null}', b'{"a": 1, "a": 2}', b'{"a\\u0000b": 1}'])
def test_other_parameters_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^parameters.*: found .*, wanted"):
        scalars(parse(body).root, "parameters")
