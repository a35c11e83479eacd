"""Labels as people and programs write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.answers import Key
from registry.domain.errors import InvalidDocument
from registry.domain.label_lines import HIGHEST_INDEX, SHOWN, label_lines, parse_labels

CLASSES = ("circle", "star", "a, b", "é")
LABELS = st.tuples(
    st.builds(Key, st.text("abc-,{/", min_size=1, max_size=9), st.integers(0, HIGHEST_INDEX)), st.sampled_from(CLASSES)
)


@given(st.lists(LABELS, min_size=1, max_size=9))
def test_what_is_written_is_read(labels: list[tuple[Key, str]]) -> None:
    assert parse_labels(label_lines(labels), where="f", classes=CLASSES) == tuple(labels)


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "a", "label": "circle"}\n\n{"id": "b", "index": 2, "label": "star"}',
        "id,index,label\na,0,circle\nb,2,star\n",
        "a,0,circle\r\nb,2,star\r\n",
        'a, "circle"\n"b",2,star',
        "id,label\na,circle\nb,2,star",
    ],
)
def test_json_lines_and_csv_say_the_same(text: str) -> None:
    assert parse_labels(text, where="f") == ((Key("a", 0), "circle"), (Key("b", 2), "star"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a", "found 1 columns, wanted id,index,label or id,label"),
        ("a,0,star,x", "found 4 columns"),
        ("a,one,star", "index is 'one', wanted an integer"),
        ("a,99999999999999999999,star", "index is"),
        ("a,65536,star", "index is 65536"),
        (",star", "id is ''"),
        ("a b,star", "id is 'a b'"),
        ("é,star", "id is 'é'"),
        ("a" * 129 + ",star", "128 printable characters"),
        ("a,stra", "label is 'stra', wanted one of circle, star"),
        ("a,", "label is ''"),
        ('a,"star,0', "label is 'star,0'"),
    ],
)
def test_a_wrong_row_is_told_with_its_number(line: str, message: str) -> None:
    with pytest.raises(InvalidDocument, match="correct them:\nline 2: ") as refused:
        parse_labels(f"b,star\n{line}\nc,star\n", where="f", classes=("circle", "star"))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,circle", "not readable as JSON"),
        ('{"id": 3, "label": "star"}', "id is 3, wanted a string"),
        ('{"id": "a"}', "label is missing"),
        ('{"id": "a", "label": "star", "index": -1}', "index is -1"),
        ('{"id": "a", "label": "star", "index": null}', "index is None"),
        ('{"id": "a", "label": "star", "class": "x"}', "key 'class' is unknown"),
        ("[]", "found list, wanted an object"),
    ],
)
def test_a_wrong_object_is_told_with_its_number(line: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        parse_labels(f'{{"id": "b", "label": "star"}}\n\n{line}', where="f")
    assert "f: 1 wrong lines; nothing was taken" in str(refused.value)
    assert "line 3: " in str(refused.value)
    assert message in str(refused.value)


def test_every_wrong_line_is_counted_and_the_first_ones_are_told() -> None:
    with pytest.raises(InvalidDocument) as refused:
        parse_labels("a\n" * (SHOWN + 5), where="f")
    told = str(refused.value).splitlines()
    assert (len(told), told[-1]) == (SHOWN + 2, "and 5 more")


@pytest.mark.parametrize("text", ["", "\n \n", "id,label\n"])
def test_no_label_is_an_error(text: str) -> None:
    with pytest.raises(InvalidDocument, match="found no label"):
        parse_labels(text, where="f")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_labels(text, where="f")
    except InvalidDocument:
        return
    assert found
