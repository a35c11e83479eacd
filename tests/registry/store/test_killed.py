"""A writer that is killed at any system call leaves all or nothing, and the next one finishes and cleans up."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from registry.domain.errors import Conflict
from registry.domain.journal import Draft, Kind
from registry.domain.version import DEFAULT_MODEL
from registry.store.durable import ASIDE
from registry.store.journal import JournalStore
from registry.store.keys import generate_key, load_signing_key, load_trust
from registry.store.versions import VersionStore

Start = Callable[..., Popen[str]]
FILES = {"card.json": b"{}", "model.tflite": b"weights" * 1000}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def left_by_killed(start: Start, writer: str, directory: Path) -> list[Path]:
    """One directory for each system call before which the writer was killed."""
    assert start("kill_writers.py", writer, directory).wait() == 0
    left = [path for path in directory.iterdir() if path.name.isdigit()]
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
