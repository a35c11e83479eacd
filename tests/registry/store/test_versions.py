"""Publishing and verifying versions: signed, closed, immutable, numbered once."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.domain.errors import Conflict, InvalidDocument, InvalidName, NotFound, NotVerified
from registry.domain.version import Model, Version
from registry.store.keys import SigningKey, Trust, generate_key, load_trust
from registry.store.versions import VersionStore, verify_directory

MODEL = Model("shapes")
FILES = {"card.json": b"{}", "model.tflite": b"weights" * 1000}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def render(version: Version) -> Mapping[str, bytes]:
    return FILES


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return generate_key(tmp_path / "keys")


@pytest.fixture
def trust(key: SigningKey, tmp_path: Path) -> Trust:
    return load_trust(tmp_path / "keys")


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    return VersionStore(tmp_path / "store")


def test_an_empty_store_has_no_models(store: VersionStore) -> None:
    assert store.models() == ()
    assert store.versions(MODEL) == ()


def test_published_version_verifies_and_gives_its_bytes(store: VersionStore, key: SigningKey, trust: Trust) -> None:
    manifest = store.publish(MODEL, None, render, key=key, created=NOON)
    verified = store.verify(MODEL, Version("1"), trust)
    assert verified.digest == manifest.digest
    assert verified.manifest == manifest
    assert verified.read("model.tflite") == FILES["model.tflite"]
    assert (store.models(), store.versions(MODEL)) == ((MODEL,), ("1",))


def test_numbers_go_up_and_are_told_to_the_renderer(store: VersionStore, key: SigningKey) -> None:
    seen: list[Version] = []

    def number(version: Version) -> Mapping[str, bytes]:
        seen.append(version)
        return {"card.json": version.encode()}

    for _ in range(2):
        store.publish(MODEL, None, number, key=key, created=NOON)
    store.publish(MODEL, None, number, key=key, created=NOON, taken=[Version("7")])
    assert seen == ["1", "2", "8"]


def test_a_deleted_version_keeps_its_number(store: VersionStore, key: SigningKey) -> None:
    store.publish(MODEL, None, render, key=key, created=NOON)
    for name in FILES:
        (store.directory(MODEL, Version("1")) / name).unlink()
    assert store.publish(MODEL, None, render, key=key, created=NOON).version == "2"
    with pytest.raises(Conflict, match="deleted"):
        store.publish(MODEL, Version("1"), render, key=key, created=NOON)


def test_a_number_of_the_journal_is_not_taken_again(store: VersionStore, key: SigningKey) -> None:
    with pytest.raises(Conflict, match="published before"):
        store.publish(MODEL, Version("3"), render, key=key, created=NOON, taken=[Version("3")])


def test_the_same_files_again_return_what_is_there(store: VersionStore, key: SigningKey) -> None:
    first = store.publish(MODEL, Version("1.0.0"), render, key=key, created=NOON)
    again = store.publish(MODEL, Version("1.0.0"), render, key=key, created=NOON.replace(hour=13))
    assert again == first


def test_other_files_conflict_and_both_digests_are_named(store: VersionStore, key: SigningKey, trust: Trust) -> None:
    first = store.publish(MODEL, Version("1"), render, key=key, created=NOON)
    with pytest.raises(Conflict, match=first.digest[:12] + ".* make [0-9a-f]{12}"):
        store.publish(MODEL, Version("1"), lambda _: {"card.json": b"other"}, key=key, created=NOON)
    assert store.verify(MODEL, Version("1"), trust).digest == first.digest


def test_an_unknown_version_is_not_found(store: VersionStore, trust: Trust) -> None:
    with pytest.raises(NotFound, match="shapes 4"):
        store.verify(MODEL, Version("4"), trust)


def test_no_name_leaves_the_store(store: VersionStore) -> None:
    with pytest.raises(InvalidName):
        store.directory(MODEL, Version("../../etc"))
    with pytest.raises(InvalidName):
        store.directory(Model("../x"), Version("1"))


def test_a_version_under_another_name_is_refused(store: VersionStore, key: SigningKey, trust: Trust) -> None:
    store.publish(MODEL, None, render, key=key, created=NOON)
    store.directory(MODEL, Version("1")).rename(store.directory(MODEL, Version("2")))
    with pytest.raises(NotVerified, match="found shapes 1, wanted shapes 2"):
        store.verify(MODEL, Version("2"), trust)


def one_byte(directory: Path) -> None:
    content = bytearray((directory / "model.tflite").read_bytes())
    content[3] ^= 1
    (directory / "model.tflite").write_bytes(content)


def truncated(directory: Path) -> None:
    os.truncate(directory / "model.tflite", 10)


def missing(directory: Path) -> None:
    (directory / "model.tflite").unlink()


def linked(directory: Path) -> None:
    (directory / "model.tflite").rename(directory.parent / "model.tflite")
    (directory / "model.tflite").symlink_to(directory.parent / "model.tflite")


def pipe(directory: Path) -> None:
    (directory / "model.tflite").unlink()
    os.mkfifo(directory / "model.tflite")


def surplus(directory: Path) -> None:
    (directory / "model.tflite.extra").write_bytes(b"")


@pytest.mark.parametrize("harm", [one_byte, truncated, missing, linked, pipe, surplus])
def test_harm_is_found_and_the_file_is_named(
    harm: Callable[[Path], None], store: VersionStore, key: SigningKey, trust: Trust
) -> None:
    store.publish(MODEL, None, render, key=key, created=NOON)
    harm(store.directory(MODEL, Version("1")))
    with pytest.raises(NotVerified, match=r"model\.tflite"):
        store.verify(MODEL, Version("1"), trust)


def test_a_changed_byte_names_both_digests(store: VersionStore, key: SigningKey, trust: Trust) -> None:
    wanted = store.publish(MODEL, None, render, key=key, created=NOON).file("model.tflite").sha256
    one_byte(store.directory(MODEL, Version("1")))
    with pytest.raises(NotVerified, match=f"found sha256 [0-9a-f]{{12}}, wanted {wanted[:12]}"):
        store.verify(MODEL, Version("1"), trust)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig"])
def test_every_byte_of_manifest_and_signature_counts(
    name: str, store: VersionStore, key: SigningKey, trust: Trust
) -> None:
    store.publish(MODEL, None, render, key=key, created=NOON)
    path = store.directory(MODEL, Version("1")) / name
    good = path.read_bytes()
    for position in range(len(good) - 1):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(NotVerified, match="manifest"):
            verify_directory(path.parent, trust)


def test_a_key_that_is_not_trusted_is_named(store: VersionStore, key: SigningKey, tmp_path: Path) -> None:
    store.publish(MODEL, None, render, key=key, created=NOON)
    generate_key(tmp_path / "others")
    with pytest.raises(NotVerified, match=key.keyid):
        store.verify(MODEL, Version("1"), load_trust(tmp_path / "others"))


def test_bytes_that_change_after_verifying_are_not_handed_out(
    store: VersionStore, key: SigningKey, trust: Trust
) -> None:
    store.publish(MODEL, None, render, key=key, created=NOON)
    verified = store.verify(MODEL, Version("1"), trust)
    one_byte(verified.directory)
    with pytest.raises(NotVerified, match=r"model\.tflite"):
        verified.read("model.tflite")


def test_only_listed_files_are_read(store: VersionStore, key: SigningKey, trust: Trust) -> None:
    store.publish(MODEL, None, render, key=key, created=NOON)
    with pytest.raises(InvalidDocument, match="not listed"):
        store.verify(MODEL, Version("1"), trust).read("../2/model.tflite")


def test_what_no_reader_would_accept_is_not_written(store: VersionStore, key: SigningKey) -> None:
    with pytest.raises(InvalidDocument, match="plain file name"):
        store.publish(MODEL, None, lambda _: {"sub/model.tflite": b""}, key=key, created=NOON)
    assert store.versions(MODEL) == ()


def test_publishers_at_the_same_time_get_different_numbers(store: VersionStore, key: SigningKey, trust: Trust) -> None:
    with ThreadPoolExecutor(8) as pool:
        manifests = list(pool.map(lambda _: store.publish(MODEL, None, render, key=key, created=NOON), range(24)))
    assert sorted(int(manifest.version) for manifest in manifests) == list(range(1, 25))
    for version in store.versions(MODEL):
        assert store.verify(MODEL, version, trust).manifest in manifests
