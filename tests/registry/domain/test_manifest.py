"""The closed list of a version's files."""

import json
from datetime import UTC, datetime

import pytest

from registry.domain.documents import sha256
from registry.domain.errors import InvalidDocument
from registry.domain.manifest import FileEntry, Manifest, parse_manifest
from registry.domain.version import Model, Version

FILES = tuple(FileEntry(path, len(path), sha256(path.encode())) for path in ("card.json", "model.tflite"))
MANIFEST = Manifest(Model("shapes"), Version("3"), datetime(2026, 3, 1, 12, tzinfo=UTC), FILES)


def with_files(*files: dict[str, object]) -> bytes:
    document = json.loads(MANIFEST.content())
    return json.dumps({**document, "files": files}).encode()


def test_a_manifest_survives_its_bytes() -> None:
    assert parse_manifest(MANIFEST.content()) == MANIFEST
    assert MANIFEST.digest == sha256(MANIFEST.content())


def test_only_listed_files_are_found() -> None:
    assert MANIFEST.file("card.json") == FILES[0]
    with pytest.raises(InvalidDocument, match="not listed"):
        MANIFEST.file("manifest.json")


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "manifest.sig", "a\n", "a\x00"]
)
def test_a_path_that_is_no_plain_name_is_refused(path: str) -> None:
    with pytest.raises(InvalidDocument, match="plain file name"):
        parse_manifest(with_files({"path": path, "size": 1, "sha256": "0" * 64}))


@pytest.mark.parametrize("paths", ["ba", "aa"])
def test_files_are_sorted_and_named_once(paths: str) -> None:
    with pytest.raises(InvalidDocument, match="sorted and unique"):
        parse_manifest(with_files(*({"path": path, "size": 1, "sha256": "0" * 64} for path in paths)))


@pytest.mark.parametrize("digest", ["", "0" * 63, "A" * 64, "0" * 64 + "\n"])
def test_a_digest_has_64_lowercase_digits(digest: str) -> None:
    with pytest.raises(InvalidDocument, match="64 hexadecimal"):
        parse_manifest(with_files({"path": "a", "size": 1, "sha256": digest}))


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(InvalidDocument, match=r"files\[0\]: size is -1"):
        parse_manifest(with_files({"path": "a", "size": -1, "sha256": "0" * 64}))
