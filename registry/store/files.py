"""Reading files that may not be what they should: regular ones only, of the size and sha256 that were written down."""

import hashlib
import os
import stat
from pathlib import Path

from registry.domain.errors import NotVerified
from registry.domain.manifest import FileEntry

_CHUNK = 1 << 20


def check_file(path: Path, entry: FileEntry) -> None:
    """Raise NotVerified unless `path` is a regular file with the entry's size and sha256."""
    descriptor, size = _open(path)
    with os.fdopen(descriptor, "rb") as file:
        digest = hashlib.sha256()
        while size == entry.size and (chunk := file.read(_CHUNK)):
            digest.update(chunk)
    compare(path, entry, size=size, found=digest.hexdigest())


def compare(path: Path, entry: FileEntry, *, size: int, found: str) -> None:
    """Raise NotVerified, with found and wanted, unless size and sha256 are the entry's."""
    if size != entry.size:
        raise NotVerified(f"{path}: found {size} bytes, wanted {entry.size}")
    if found != entry.sha256:
        raise NotVerified(f"{path}: found sha256 {found[:12]}, wanted {entry.sha256[:12]}")


def read_regular(path: Path, *, limit: int) -> bytes:
    """At most `limit` + 1 bytes of a regular file, so that a longer one shows. Raises NotVerified."""
    descriptor, _ = _open(path)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit + 1)


def _open(path: Path) -> tuple[int, int]:
    """Descriptor and size of a regular file; links are not followed and pipes not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotVerified(f"{path}: missing") from None
    except OSError as error:
        raise NotVerified(f"{path}: {error.strerror}; wanted a readable regular file") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise NotVerified(f"{path}: found {stat.filemode(found.st_mode)}, wanted a regular file")
    return descriptor, found.st_size
