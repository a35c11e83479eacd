"""Backups are whole, proved, and without private keys; restores prove first and overwrite nothing."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import pytest

from registry.domain.documents import canonical_bytes, sha256
from registry.domain.errors import Conflict, JournalDamaged, NotFound, NotVerified, Refused, RegistryError
from registry.domain.fold import fold
from registry.domain.journal import Anchor, Draft, Kind, check_anchor
from registry.store import durable
from registry.store.backup import last_backup, read_backup, write_backup
from registry.store.home import Home
from registry.store.keys import generate_key
from registry.store.restore import Restored, restore
from tests.fixtures.versions import CREATED, publish_tiny
from tests.registry.store.installations import SHAPES, files, head, installation

Start = Callable[..., Popen[str]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return installation(tmp_path / "home")


@pytest.fixture
def backup(home: Home, tmp_path: Path) -> Path:
    """A backup of `home` that was acted upon to its end."""
    return write_backup(home, tmp_path / "backups", anchors={SHAPES: head(home)}, now=CREATED).directory


def restored(home: Home, source: Path, anchors: dict[str, Anchor] | None = None) -> Restored:
    return restore(home, source, anchors=anchors or {}, by="ann", reason="the disk died", now=CREATED)


def test_a_backup_holds_journal_versions_trust_and_policy_and_no_private_key(home: Home, backup: Path) -> None:
    proved = read_backup(backup)
    assert proved.entries[SHAPES] == home.journal_of(SHAPES).read()
    assert set(files(backup)) == {
        *("backup.json", "trust.json", "policy.yaml", "journal/shapes.jsonl"),
        *(f"models/shapes/1/{name}" for name in ("manifest.json", "manifest.sig", "card.json", "evaluation.json")),
        *("models/shapes/1/model.tflite", "models/shapes/2/manifest.json", "models/shapes/2/manifest.sig"),
    }
    assert not any(b"PRIVATE" in content for content in files(backup).values())


def test_the_newest_backup_says_when_it_was_made(home: Home, backup: Path) -> None:
    later = CREATED + timedelta(hours=1)
    write_backup(home, backup.parent, anchors={}, now=later)
    (backup.parent / "Thesis-Z").mkdir()
    assert last_backup(backup.parent) == later
    assert last_backup(backup.parent / "none") is None


def test_what_does_not_verify_is_not_backed_up(home: Home, tmp_path: Path) -> None:
    (home.versions().directory(SHAPES, "1") / "model.tflite").write_bytes(b"!")
    with pytest.raises(NotVerified, match=r"model\.tflite"):
        write_backup(home, tmp_path / "backups", anchors={}, now=CREATED)
    assert files(tmp_path / "backups") == {}


def test_a_journal_behind_its_anchor_is_not_backed_up(home: Home, tmp_path: Path) -> None:
    with pytest.raises(JournalDamaged, match="which was acted upon"):
        write_backup(home, tmp_path / "backups", anchors={SHAPES: Anchor(9, "0" * 64)}, now=CREATED)
    assert files(tmp_path / "backups") == {}


def test_two_backups_of_one_instant_do_not_meet(home: Home, backup: Path) -> None:
    before = files(backup)
    with pytest.raises(Conflict, match="exists already"):
        write_backup(home, backup.parent, anchors={}, now=CREATED)
    assert files(backup.parent) == {f"{backup.name}/{name}": content for name, content in before.items()}


def test_a_version_deleted_while_it_is_copied_is_no_damage(home: Home, tmp_path: Path) -> None:
    """The journal says so by then, and the backup begins again from there."""
    publish_tiny(home.root, version="3")
    gone = {"version": "3", "reason": "old"}
    digest = home.versions().verify(SHAPES, "3", home.trust()).digest
    journal = home.journal_of(SHAPES)
    journal.append([Draft(Kind.PUBLISHED, "c", {**gone, "digest": digest})], head=journal.read()[-1], now=CREATED)

    class Meanwhile(Home):
        def trust(self) -> object:
            if journal.read()[-1].kind is Kind.PUBLISHED:
                drafts = [Draft(Kind.ARCHIVED, "c", gone), Draft(Kind.DELETED, "c", gone)]
                journal.append(drafts, head=journal.read()[-1], now=CREATED)
                home.versions().strip(SHAPES, "3")
            return super().trust()

    written = write_backup(Meanwhile(home.root), tmp_path / "backups", anchors={}, now=CREATED)
    assert written.states[SHAPES].version("3").deleted


def test_backups_taken_while_writers_run_are_whole(home: Home, start: Start, tmp_path: Path) -> None:
    writers = [start("race_append.py", home.journal, f"writer-{number}", 15) for number in range(3)]
    for writer in writers:
        assert writer.stdout
        assert writer.stdin
        assert writer.stdout.readline() == "ready\n"
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for number in range(100):
        ended = all(writer.poll() is not None for writer in writers)
        now = CREATED + timedelta(seconds=number)
        written = write_backup(home, tmp_path / "b", anchors={SHAPES: head(home)}, now=now)
        assert read_backup(written.directory).entries == written.entries
        if ended:
            break
    assert len(written.entries[SHAPES]) == 4 + 45


def test_a_restore_into_nothing_brings_everything_back(home: Home, backup: Path, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    assert restored(other, backup).kept == ()
    entries = other.journal_of(SHAPES).read()
    assert entries[:-1] == home.journal_of(SHAPES).read()
    assert (entries[-1].kind, entries[-1].actor, entries[-1].data["reason"]) == ("restored", "ann", "the disk died")
    assert files(other.store) == files(home.store)
    assert (other.trust(), other.policy.read_bytes()) == (home.trust(), home.policy.read_bytes())


def test_a_restore_again_changes_nothing(backup: Path, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    restored(other, backup)
    before = files(other.root)
    restored(other, backup)
    assert files(other.root) == before


def test_an_emptied_journal_is_restored_beside_what_is_still_there(home: Home, backup: Path) -> None:
    shutil.rmtree(home.journal / "shapes")
    (home.journal / "shapes").mkdir()
    (home.journal / "shapes" / ".aside-0123").touch()
    home.policy.write_text("schema: 1 # edited since\n")
    generate_new_key(home)
    assert restored(home, backup).kept == (home.keys / "trust.json", home.policy)
    assert home.journal_of(SHAPES).read()[-1].kind == "restored"
    assert "edited" in home.policy.read_text()


def generate_new_key(home: Home) -> None:
    (home.keys / "signing.key").unlink()
    generate_key(home.keys)


def test_only_the_restored_entry_makes_an_older_journal_acceptable(home: Home, backup: Path) -> None:
    journal = home.journal_of(SHAPES)
    acted = journal.append([Draft(Kind.DRIFT, "c", {"n": n}) for n in range(3)], head=journal.read()[-1], now=CREATED)
    shutil.rmtree(home.journal / "shapes")
    restored(home, backup, {SHAPES: acted[-1].anchor})
    entries = home.journal_of(SHAPES).read()
    check_anchor(entries, acted[-1].anchor)
    with pytest.raises(JournalDamaged, match="which was acted upon"):
        check_anchor(entries[:-1], acted[-1].anchor)
    with pytest.raises(JournalDamaged, match="which was acted upon"):
        check_anchor(entries, Anchor(acted[-1].sequence, "f" * 64))


def test_requests_of_before_are_not_taken(home: Home, tmp_path: Path) -> None:
    journal, other = home.journal_of(SHAPES), Home(tmp_path / "other")
    asked = {"id": "a", "action": "promote", "version": "1", "to": "production", "requestedBy": "ann"}
    journal.append([Draft(Kind.REQUESTED, "ann", asked)], head=journal.read()[-1], now=CREATED)
    restored(other, write_backup(home, tmp_path / "b", anchors={}, now=CREATED).directory)
    assert fold(SHAPES, home.journal_of(SHAPES).read()).requests
    assert fold(SHAPES, other.journal_of(SHAPES).read()).requests == ()


def test_another_journal_is_not_overwritten(home: Home, backup: Path, tmp_path: Path) -> None:
    other = installation(tmp_path / "other", versions=3)
    shutil.copy(home.keys / "trust.json", other.keys / "trust.json")
    before = files(other.root)
    with pytest.raises(Refused, match="has a journal of 5 entries, and a restore overwrites nothing"):
        restored(other, backup)
    assert files(other.root) == before


def test_another_version_is_not_overwritten(home: Home, backup: Path, tmp_path: Path) -> None:
    shutil.rmtree(home.journal / "shapes")
    path = home.versions().directory(SHAPES, "1") / "card.json"
    path.write_bytes(b"another")
    before = files(home.root)
    with pytest.raises(Refused, match="is not what the backup has"):
        restored(home, backup)
    assert files(home.root) == before


def test_nothing_is_restored_under_a_running_controller(backup: Path, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    durable.make_directory(other.run)
    with durable.locked(other.lock), pytest.raises(Conflict, match="a controller runs here"):
        restored(other, backup)
    assert files(other.root) == {}


def test_a_home_that_trusts_other_keys_believes_no_foreign_backup(backup: Path, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    generate_key(other.keys)
    before = files(other.root)
    with pytest.raises(NotVerified, match="which is not trusted"):
        restored(other, backup)
    assert files(other.root) == before


def relisted(backup: Path) -> None:
    """Make backup.json agree with the files as they are, as somebody who knows the format would."""
    contents = json.loads((backup / "backup.json").read_bytes())
    contents["files"] = [
        {"path": name, "size": len(content), "sha256": sha256(content)}
        for name, content in files(backup).items()
        if name != "backup.json"
    ]
    (backup / "backup.json").write_bytes(canonical_bytes(contents))


def altered_entry(backup: Path) -> None:
    path = backup / "journal" / "shapes.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"ann"', b'"bob"', 1))


def lost_entry(backup: Path) -> None:
    path = backup / "journal" / "shapes.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def torn_entry(backup: Path) -> None:
    path = backup / "journal" / "shapes.jsonl"
    path.write_bytes(path.read_bytes()[:-20])


def altered_model(backup: Path) -> None:
    (backup / "models/shapes/1/model.tflite").write_bytes(b"weights")


def lost_version(backup: Path) -> None:
    shutil.rmtree(backup / "models/shapes/1")


def lost_manifest(backup: Path) -> None:
    (backup / "models/shapes/2/manifest.json").unlink()


def linked(backup: Path) -> None:
    path = backup / "models/shapes/1/card.json"
    path.rename(backup.parent / "card.json")
    path.symlink_to(backup.parent / "card.json")


def one_more(backup: Path) -> None:
    (backup / "models/shapes/1/run.sh").write_text("rm -rf /")


HARMS = [altered_entry, lost_entry, torn_entry, altered_model, lost_version, lost_manifest, linked, one_more]


@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_backup_places_nothing(
    harm: Callable[[Path], None], knows: bool, backup: Path, tmp_path: Path
) -> None:
    harm(backup)
    if knows:
        relisted(backup)
    with pytest.raises(RegistryError, match=str(backup)):
        restored(Home(tmp_path / "other"), backup)
    assert files(tmp_path / "other") == {}


def test_what_is_no_backup_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no backup"):
        read_backup(tmp_path)
