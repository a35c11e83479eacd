"""`manifest.json`: the closed list of a version's files. Its sha256 is the digest, the version's identity."""

import re
from dataclasses import dataclass
from datetime import datetime

from registry.domain.documents import Fields, canonical_bytes, moment, sha256, timestamp
from registry.domain.errors import InvalidDocument
from registry.domain.version import Model, Version, model_name, version_name

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
SCHEMA = 1
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""A file's name in a version's directory: no separator, no leading dot."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FileEntry:
    """One file of a version: name in the directory, size in bytes, hexadecimal sha256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a version consists of. Files are sorted by path; `manifest.json` and `manifest.sig` are not listed."""

    model: Model
    version: Version
    created: datetime
    files: tuple[FileEntry, ...]

    def content(self) -> bytes:
        """The bytes of `manifest.json`."""
        return canonical_bytes(
            {
                "schema": SCHEMA,
                "model": self.model,
                "version": self.version,
                "created": timestamp(self.created),
                "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in self.files],
            }
        )

    @property
    def digest(self) -> str:
        """Hexadecimal sha256 of `content()`."""
        return sha256(self.content())

    def file(self, path: str) -> FileEntry:
        """The entry of `path`; raises InvalidDocument when it is not listed."""
        for entry in self.files:
            if entry.path == path:
                return entry
        raise InvalidDocument(f"{MANIFEST}: {path} is not listed; listed are {', '.join(f.path for f in self.files)}")


def parse_manifest(content: bytes) -> Manifest:
    """Read `manifest.json`; raises InvalidDocument or InvalidName. Paths are plain file names."""
    fields = Fields.parse(content, MANIFEST)
    fields.schema(SCHEMA)
    files = tuple(
        FileEntry(entry.text("path"), entry.integer("size"), entry.text("sha256")) for entry in fields.objects("files")
    )
    paths = [entry.path for entry in files]
    if paths != sorted(set(paths)):
        raise InvalidDocument(f"{MANIFEST}: files are {paths}, wanted sorted and unique paths")
    for entry in files:
        if not PLAIN.fullmatch(entry.path) or entry.path in (MANIFEST, SIGNATURE):
            raise InvalidDocument(f"{MANIFEST}: path {entry.path!r}, wanted a plain file name")
        if not _SHA256.fullmatch(entry.sha256):
            raise InvalidDocument(
                f"{MANIFEST}: sha256 of {entry.path} is {entry.sha256!r}, wanted 64 hexadecimal digits"
            )
    return Manifest(
        model=model_name(fields.text("model")),
        version=version_name(fields.text("version")),
        created=moment(fields.text("created")),
        files=files,
    )
