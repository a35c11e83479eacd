"""The spool of labels on one machine: a file each, written aside and renamed, taken away once it is in the journal."""

import pwd
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from registry.domain.documents import sha256, timestamp
from registry.domain.errors import InvalidDocument
from registry.domain.label_lines import Label, label_lines, parse_labels
from registry.domain.labels import AT_MOST, LabelFile
from registry.store import durable

SUFFIX = ".jsonl"
WRONG = ".wrong"
"""What a file that nobody can read gets behind its name, so that it is in no other's way."""


@dataclass(frozen=True)
class LabelSpool:
    """Files of labels of one model that wait for the controller."""

    directory: Path

    def add(self, labels: Sequence[Label], *, now: datetime) -> tuple[str, ...]:
        """Leave labels, in files of AT_MOST; returns the names by which the journal will speak of them."""
        durable.make_directory(self.directory)
        stem, names = f"{timestamp(now)}-{uuid.uuid4().hex[:12]}", []
        for part, start in enumerate(range(0, len(labels), AT_MOST)):
            content = label_lines(labels[start : start + AT_MOST]).encode()
            path = self.directory / f"{stem}-{part:04d}{SUFFIX}"
            durable.link_new(path, content)
            names.append(spool_name(path.stem, content))
        return tuple(names)

    def place(self, stem: str, content: bytes) -> str:
        """Leave what was labelled elsewhere, once; returns the name by which the journal will speak of it."""
        durable.make_directory(self.directory)
        path = self.directory / f"{stem}{SUFFIX}"
        if not path.exists() and not path.with_name(f"{path.name}{WRONG}").exists():
            durable.replace(path, content)
        return spool_name(stem, content)

    def files(self) -> list[Path]:
        """What waits, in the order it is taken."""
        return sorted(path for path in self.directory.glob(f"[!.]*{SUFFIX}") if path.is_file())

    def read(self, path: Path) -> LabelFile:
        """Raises InvalidDocument, or OSError."""
        content = path.read_bytes()
        try:
            labels = parse_labels(content.decode(), where=str(path))
        except UnicodeDecodeError as error:
            raise InvalidDocument(f"{path}: found {error.reason}, wanted UTF-8") from error
        if len(labels) > AT_MOST:
            raise InvalidDocument(f"{path}: found {len(labels)} labels, wanted {AT_MOST} at most; use `geometry label`")
        return LabelFile(spool_name(path.stem, content), _owner(path), labels)

    def remove(self, file: LabelFile) -> None:
        """Take away what is recorded."""
        (self.directory / file.name.rpartition(" ")[0]).unlink(missing_ok=True)
        durable.sync_directory(self.directory)

    def refuse(self, path: Path) -> None:
        """Put a file aside that cannot be read."""
        path.rename(path.with_name(f"{path.name}{WRONG}"))


def _owner(path: Path) -> str:
    """A login name; in a container there may be none for a user."""
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def spool_name(stem: str, content: bytes) -> str:
    """The file's, and what was in it: another one may have the same name later."""
    return f"{stem}{SUFFIX} {sha256(content)[:12]}"
