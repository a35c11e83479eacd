"""A writer that is killed at any system call leaves all or nothing, and the next one finishes and cleans up."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen

import pytest

from registry.domain.errors import Conflict
from registry.domain.fold import fold
from registry.domain.journal import Draft, Kind
from registry.domain.version import DEFAULT_MODEL, Version
from registry.store.backup import read_backup, write_backup
from registry.store.durable import ASIDE
from registry.store.home import Home
from registry.store.journal import JournalStore
from registry.store.keys import generate_key, load_signing_key, load_trust
from registry.store.restore import restore
from registry.store.transfer import import_version
from registry.store.versions import VersionStore
from tests.registry.store.installations import files

Start = Callable[..., Popen[str]]
FILES = {"card.json": b"{}", "model.tflite": b"weights" * 1000}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


SOME = pytest.mark.parametrize("points", [12, pytest.param(10_000, marks=pytest.mark.prove)])


def left_by_killed(start: Start, writer: str, directory: Path, points: int = 10_000) -> list[Path]:
    """One directory for each system call before which the writer was killed, or for `points` of them."""
    assert start("kill_writers.py", writer, directory, points).wait() == 0
    left = sorted((path for path in directory.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    assert len(left) > 10
    return left


def test_a_killed_publisher_leaves_a_whole_version_or_none(start: Start, tmp_path: Path) -> None:
    for root in left_by_killed(start, "publish", tmp_path):
        for version in VersionStore(root).versions(DEFAULT_MODEL):
            VersionStore(root).verify(DEFAULT_MODEL, version, load_trust(tmp_path / "keys"))


def test_publishing_again_after_a_kill_succeeds_and_cleans_up(start: Start, tmp_path: Path) -> None:
    key, trust = generate_key(tmp_path / "again"), load_trust(tmp_path / "again")
    for root in left_by_killed(start, "publish", tmp_path):
        store = VersionStore(root)
        before = len(store.versions(DEFAULT_MODEL))
        manifest = store.publish(DEFAULT_MODEL, None, lambda _: FILES, key=key, created=NOON)
        assert int(manifest.version) == before + 1
        assert store.verify(DEFAULT_MODEL, manifest.version, trust).digest == manifest.digest
        assert not list(root.rglob(f"{ASIDE}*"))


def test_a_killed_writer_leaves_a_journal_that_goes_on(start: Start, tmp_path: Path) -> None:
    lengths = set()
    for root in left_by_killed(start, "append", tmp_path):
        journal = JournalStore(root, DEFAULT_MODEL)
        lengths.add(len(journal.read()))
        journal.append([Draft(Kind.PUBLISHED, "tester", {})], head=journal.head, now=NOON)
        assert journal.read()[-1].kind == Kind.PUBLISHED
        assert not list(root.rglob(f"{ASIDE}*"))
    assert lengths == {0, 1, 2}


def test_a_killed_key_maker_leaves_a_trusted_key_or_none(start: Start, tmp_path: Path) -> None:
    for root in left_by_killed(start, "generate", tmp_path):
        with suppress(Conflict):
            generate_key(root)
        assert load_signing_key(root).keyid in load_trust(root).keys


@SOME
def test_a_killed_backup_is_whole_or_absent_and_can_be_made_again(start: Start, tmp_path: Path, points: int) -> None:
    for root in left_by_killed(start, "backup", tmp_path, points):
        for found in root.glob("2*Z"):
            read_backup(found)
        write_backup(Home(tmp_path / "source"), root, anchors={}, now=NOON + timedelta(hours=1))
        assert not list(root.rglob(f"{ASIDE}*"))


@SOME
def test_a_killed_restore_shows_a_whole_journal_or_none_and_goes_on(start: Start, tmp_path: Path, points: int) -> None:
    *killed, whole = left_by_killed(start, "restore", tmp_path, points)
    (backup,) = (tmp_path / "backups").glob("*Z")
    for root in killed:
        entries = Home(root).journal_of(DEFAULT_MODEL).read()
        assert not entries or entries[-1].kind is Kind.RESTORED
        restore(Home(root), backup, anchors={}, by="tester", reason="", now=NOON)
        assert files(root) == files(whole)


@SOME
def test_a_killed_import_leaves_the_whole_version_or_none_and_goes_on(
    start: Start, tmp_path: Path, points: int
) -> None:
    for root in left_by_killed(start, "import", tmp_path, points):
        home = Home(root)
        for version in home.versions().versions(DEFAULT_MODEL):
            home.versions().verify(DEFAULT_MODEL, version, home.trust())
        manifest = import_version(home, tmp_path / "one.tar")
        assert home.versions().verify(DEFAULT_MODEL, Version("1"), home.trust()).manifest == manifest
        assert not list(root.rglob(f"{ASIDE}*"))


@SOME
def test_a_killed_delete_is_in_the_journal_before_a_file_is_gone_and_goes_on(
    start: Start, tmp_path: Path, points: int
) -> None:
    for root in left_by_killed(start, "delete", tmp_path, points):
        home = Home(root)
        if not fold(DEFAULT_MODEL, home.journal_of(DEFAULT_MODEL).read()).version(Version("1")).deleted:
            home.versions().verify(DEFAULT_MODEL, Version("1"), home.trust())
            continue
        home.versions().strip(DEFAULT_MODEL, Version("1"))
        left = home.versions().directory(DEFAULT_MODEL, Version("1"))
        assert {path.name for path in left.iterdir()} == {"manifest.json", "manifest.sig"}
