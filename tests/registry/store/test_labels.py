"""Labels on their way to the controller."""

import getpass
from pathlib import Path

import pytest

from registry.domain.answers import Key
from registry.domain.errors import InvalidDocument
from registry.domain.labels import AT_MOST
from registry.store.labels import LabelSpool
from tests.registry.domain.builders import NOON

LABELS = tuple((Key(f"r{number}", number % 3), "circle") for number in range(2 * AT_MOST + 1))


@pytest.fixture
def spool(tmp_path: Path) -> LabelSpool:
    return LabelSpool(tmp_path / "labels" / "shapes")


def test_all_labels_arrive_in_their_order_and_no_file_has_too_many(spool: LabelSpool) -> None:
    names = spool.add(LABELS, now=NOON)
    files = [spool.read(path) for path in spool.files()]
    assert tuple(file.name for file in files) == names
    assert [len(file.labels) for file in files] == [AT_MOST, AT_MOST, 1]
    assert tuple(label for file in files for label in file.labels) == LABELS
    assert {file.by for file in files} == {getpass.getuser()}


def test_the_same_labels_left_twice_are_two_files(spool: LabelSpool) -> None:
    assert spool.add(LABELS[:1], now=NOON) != spool.add(LABELS[:1], now=NOON)
    assert len(spool.files()) == 2


def test_another_file_under_the_same_name_has_another_name_in_the_journal(spool: LabelSpool) -> None:
    spool.add(LABELS[:1], now=NOON)
    (path,) = spool.files()
    before = spool.read(path)
    path.write_text('{"id": "a", "label": "star"}\n')
    assert spool.read(path).name != before.name


def test_a_removed_file_does_not_come_again(spool: LabelSpool) -> None:
    spool.add(LABELS[:1], now=NOON)
    file = spool.read(spool.files()[0])
    spool.remove(file)
    spool.remove(file)
    assert spool.files() == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b'{"id": "a", "label": "b"}\n' * (AT_MOST + 1)])
def test_a_file_that_is_none_of_labels_is_put_aside(spool: LabelSpool, content: bytes) -> None:
    spool.add(LABELS[:1], now=NOON)
    path = spool.directory / "0.jsonl"
    path.write_bytes(content)
    assert spool.files()[0] == path
    with pytest.raises(InvalidDocument, match=r"0\.jsonl"):
        spool.read(path)
    spool.refuse(path)
    assert len(spool.files()) == 1
