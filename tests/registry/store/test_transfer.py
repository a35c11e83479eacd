"""A version goes to another installation as one file; what was not signed, or could lead elsewhere, never arrives."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.domain.errors import Conflict, InvalidDocument, NotFound, NotVerified
from registry.domain.journal import Draft, Kind
from registry.domain.version import Model, Version
from registry.store.home import Home
from registry.store.keys import add_trust
from registry.store.transfer import export_version, import_version
from tests.fixtures.versions import CREATED, publish_tiny

SHAPES, ONE = Model("shapes"), Version("1")


@pytest.fixture
def first(tmp_path: Path) -> Home:
    """An installation that published version 1."""
    publish_tiny(tmp_path / "first")
    return Home(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path, first: Home) -> Home:
    """Another one, which trusts the first."""
    add_trust(tmp_path / "second" / "keys", first.keys)
    return Home(tmp_path / "second")


@pytest.fixture
def file(first: Home, tmp_path: Path) -> Path:
    export_version(first, SHAPES, ONE, to=tmp_path / "shapes-1.tar")
    return tmp_path / "shapes-1.tar"


def contents(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.versions().directory(SHAPES, ONE).iterdir()}


def test_a_version_arrives_with_the_same_digest_and_bytes(first: Home, second: Home, file: Path) -> None:
    manifest = import_version(second, file)
    assert contents(second) == contents(first)
    assert second.versions().verify(SHAPES, ONE, second.trust()).digest == manifest.digest


def test_the_same_version_makes_the_same_file(first: Home, file: Path, tmp_path: Path) -> None:
    export_version(first, SHAPES, ONE, to=tmp_path / "again" / "x.tar")
    assert (tmp_path / "again" / "x.tar").read_bytes() == file.read_bytes()
    names = ("manifest.json", "manifest.sig", "card.json", "evaluation.json", "model.tflite")
    with tarfile.open(file) as tar:
        assert tar.getnames() == [f"shapes/1/{name}" for name in names]


def test_export_overwrites_no_other_file(first: Home, file: Path) -> None:
    export_version(first, SHAPES, ONE, to=file)
    file.write_bytes(b"precious")
    with pytest.raises(Conflict, match="exists already with other bytes"):
        export_version(first, SHAPES, ONE, to=file)
    assert file.read_bytes() == b"precious"


def test_export_verifies_first(first: Home, tmp_path: Path) -> None:
    (first.versions().directory(SHAPES, ONE) / "model.tflite").write_bytes(b"!")
    with pytest.raises(NotVerified, match=r"model\.tflite"):
        export_version(first, SHAPES, ONE, to=tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()


def test_the_same_digest_again_is_a_success_and_puts_back_what_was_lost(second: Home, file: Path) -> None:
    manifest = import_version(second, file)
    assert import_version(second, file) == manifest
    second.store.rename(second.root / "lost")
    in_journal(second, manifest.digest)
    assert import_version(second, file) == manifest
    assert second.versions().versions(SHAPES) == ("1",)


def test_another_digest_under_the_same_number_is_refused(second: Home, file: Path) -> None:
    publish_tiny(second.root, flip=True)
    before = contents(second)
    with pytest.raises(Conflict, match="a version never changes"):
        import_version(second, file)
    assert contents(second) == before


def in_journal(home: Home, digest: str, *later: Kind) -> None:
    drafts = [Draft(Kind.PUBLISHED, "x", {"version": "1", "digest": digest})]
    drafts += [Draft(kind, "x", {"version": "1"}) for kind in later]
    home.journal_of(SHAPES).append(drafts, head=None, now=CREATED)


def test_a_number_that_the_journal_has_with_another_digest_is_refused(second: Home, file: Path) -> None:
    in_journal(second, "0" * 64)
    with pytest.raises(Conflict, match="a version never changes"):
        import_version(second, file)
    assert second.versions().versions(SHAPES) == ()


def test_a_number_that_the_journal_has_deleted_is_refused(first: Home, second: Home, file: Path) -> None:
    digest = first.versions().verify(SHAPES, ONE, first.trust()).digest
    in_journal(second, digest, Kind.ARCHIVED, Kind.DELETED)
    with pytest.raises(Conflict, match="was deleted and its number stays taken"):
        import_version(second, file)
    assert second.versions().versions(SHAPES) == ()


def test_a_deleted_version_does_not_come_back(second: Home, file: Path) -> None:
    import_version(second, file)
    assert second.versions().strip(SHAPES, ONE)
    assert not second.versions().strip(SHAPES, ONE)
    with pytest.raises(Conflict, match="was deleted and its number stays taken"):
        import_version(second, file)


def test_a_key_that_is_not_trusted_is_named(tmp_path: Path, file: Path) -> None:
    publish_tiny(tmp_path / "other", version="7")
    with pytest.raises(NotVerified, match="which is not trusted"):
        import_version(Home(tmp_path / "other"), file)


Change = Callable[[tarfile.TarInfo], None]


def renamed(name: str) -> Change:
    return lambda member: setattr(member, "name", name)


def a(kind: bytes) -> Change:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    return change


def doctored(file: Path, change: Change, which: str = "shapes/1/card.json") -> Path:
    """The same tar with one member changed."""
    with tarfile.open(file) as old, tarfile.open(file.with_name("bad.tar"), "w") as new:
        for member in old:
            stream = old.extractfile(member)
            content = stream.read() if stream else b""
            if member.name == which:
                change(member)
            new.addfile(member, io.BytesIO(content[: member.size]))
    return file.with_name("bad.tar")


@pytest.mark.parametrize("change", [
    renamed("../1/card.json"), renamed("/shapes/1/card.json"), renamed("shapes/1/../card.json"), renamed("card.json"),
    renamed("shapes/1/.card"), renamed("shapes/1/a/card.json"), renamed("shapes/one/card.json"),
    renamed("shapes/1/card\\..json"), renamed("shapes/1/other.json"), renamed("shapes/1/model.tflite"),
    a(tarfile.SYMTYPE), a(tarfile.LNKTYPE), a(tarfile.DIRTYPE), a(tarfile.FIFOTYPE), a(tarfile.CHRTYPE),
    a(tarfile.GNUTYPE_SPARSE), lambda member: setattr(member, "size", 10),
])  # fmt: skip
def test_whatever_is_not_exactly_what_was_signed_leaves_nothing(second: Home, file: Path, change: Change) -> None:
    bad = doctored(file, change)
    with pytest.raises((NotVerified, InvalidDocument), match=r"bad\.tar"):
        import_version(second, bad)
    assert second.versions().versions(SHAPES) == ()
    assert not [path for path in second.root.rglob("*") if path.name.startswith(".aside") or "card" in path.name]


@pytest.mark.parametrize("size", [0, 1, 511, 600, 3000])
def test_a_torn_file_is_no_version(second: Home, file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises((NotVerified, InvalidDocument)):
        import_version(second, file)
    assert second.versions().versions(SHAPES) == ()


def test_a_file_that_is_not_there_is_not_found(second: Home, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="geometry models export"):
        import_version(second, tmp_path / "none.tar")
