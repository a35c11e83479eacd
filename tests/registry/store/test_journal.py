"""Journal files: one chain whatever races, and damage is found and named."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

import pytest

from registry.domain.errors import Conflict, InvalidDocument, JournalDamaged
from registry.domain.journal import Draft, Entry, Kind
from registry.domain.version import Model
from registry.store.journal import JournalStore

Start = Callable[..., Popen[str]]
MODEL = Model("shapes")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def drafts(*names: str) -> list[Draft]:
    return [Draft(Kind.REQUESTED, "tester", {"id": name}) for name in names]


@pytest.fixture
def journal(tmp_path: Path) -> JournalStore:
    """A journal of three entries that was read."""
    store = JournalStore(tmp_path, MODEL)
    store.append(drafts("a", "b", "c"), head=None, now=NOON)
    store.read()
    return store


def again(journal: JournalStore) -> tuple[Entry, ...]:
    """Everything, as a fresh reader sees it."""
    return JournalStore(journal.directory.parent, MODEL).read()


def test_a_journal_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    journal = JournalStore(tmp_path, MODEL)
    assert journal.read() == ()
    assert journal.head is None


def test_what_was_appended_is_read_by_everyone(journal: JournalStore) -> None:
    new = journal.append(drafts("d"), head=journal.head, now=NOON)
    assert journal.read()[-1:] == new
    assert again(journal) == journal.read()
    assert [entry.data["id"] for entry in again(journal)] == ["a", "b", "c", "d"]


def test_the_second_writer_on_a_head_gets_a_conflict(journal: JournalStore) -> None:
    journal.append(drafts("first"), head=journal.head, now=NOON)
    with pytest.raises(Conflict, match=r"000004\.json"):
        journal.append(drafts("second"), head=journal.head, now=NOON)
    assert again(journal)[-1].data["id"] == "first"


def test_the_same_entry_again_has_won(journal: JournalStore) -> None:
    first = journal.append(drafts("d"), head=journal.head, now=NOON)
    assert journal.append(drafts("d"), head=journal.head, now=NOON) == first
    assert len(again(journal)) == 4


def test_eight_writers_make_one_chain_without_loss(start: Start, tmp_path: Path) -> None:
    writers = [start("race_append.py", tmp_path, f"writer-{number}", 10) for number in range(8)]
    assert [writer.stdout and writer.stdout.readline() for writer in writers] == ["ready\n"] * 8
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait() for writer in writers] == [0] * 8
    entries = JournalStore(tmp_path, MODEL).read()
    assert sorted(entry.data["id"] for entry in entries) == sorted(
        f"writer-{w}-{n}" for w in range(8) for n in range(10)
    )
    assert sorted(path.name for path in (tmp_path / MODEL).iterdir()) == [f"{n:06d}.json" for n in range(1, 81)]


def test_time_never_goes_back(journal: JournalStore) -> None:
    new = journal.append(drafts("d"), head=journal.head, now=NOON.replace(hour=3))
    assert new[0].time == NOON


def altered(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["actor"] = "nobody"
    path.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n")


def reformatted(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=1))


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def renumbered(path: Path) -> None:
    path.write_bytes((path.parent / "000003.json").read_bytes())


@pytest.mark.parametrize("harm", [altered, reformatted, torn, renumbered, Path.unlink])
def test_harm_to_an_entry_is_found_and_the_entry_is_named(harm: Callable[[Path], None], journal: JournalStore) -> None:
    harm(journal.directory / "000002.json")
    with pytest.raises(JournalDamaged, match=r"\b(000002\.json|entry 2)\b"):
        again(journal)


def test_a_directory_in_the_place_of_an_entry_is_damage(journal: JournalStore) -> None:
    (journal.directory / "000004.json").mkdir()
    with pytest.raises(JournalDamaged, match=r"000004\.json"):
        journal.read()


def test_a_journal_that_lost_its_head_is_neither_read_nor_continued(journal: JournalStore) -> None:
    (journal.directory / "000003.json").unlink()
    with pytest.raises(JournalDamaged, match=r"000003\.json.* missing"):
        journal.read()
    with pytest.raises(JournalDamaged, match=r"000003\.json.* missing"):
        journal.append(drafts("d"), head=journal.head, now=NOON)


def test_data_that_json_would_change_is_refused(journal: JournalStore) -> None:
    draft = Draft(Kind.REQUESTED, "tester", {"weights": {10: "b", 9: "a"}})
    with pytest.raises(InvalidDocument, match="string keys"):
        journal.append([draft], head=journal.head, now=NOON)


def test_files_of_a_dead_writer_are_removed_and_never_read(journal: JournalStore) -> None:
    (journal.directory / ".aside-0123").write_bytes(b"half")
    writer = JournalStore(journal.directory.parent, MODEL)
    assert len(writer.read()) == 3
    writer.append(drafts("d"), head=writer.head, now=NOON)
    assert sorted(path.name for path in journal.directory.iterdir()) == [f"{n:06d}.json" for n in (1, 2, 3, 4)]
