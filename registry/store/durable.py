"""The only ways this package writes: aside first, forced to disk, then named in one step.

A reader therefore sees the old state or the new one, whatever kills the writer; what a killed writer leaves behind is a
name that starts with a dot, which readers ignore and the next writer removes.
"""

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from registry.domain.errors import Conflict, JournalDamaged

ASIDE = ".aside-"
_PROBE = ".probe-"
_PROBING = 60.0
"""Seconds that no probe takes."""


def write_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with `content` and force it to disk. Raises FileExistsError, or OSError that names the path."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        _fill(descriptor, content, path)
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes, path: Path) -> None:
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_directory(directory: Path) -> None:
    """Force the names in `directory` to disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _fill(descriptor, b"", directory)
    finally:
        os.close(descriptor)


def make_directory(directory: Path, *, mode: int = 0o755) -> None:
    """Create `directory` and its parents where missing, each of them on disk when this returns."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(mode=mode, exist_ok=True)
    sync_directory(directory.parent)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the exclusive lock of the file `path`. The kernel releases it when its holder dies.

    wait: for another holder to let go; without it BlockingIOError is raised.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def replace(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Give `path` new content in one step: readers see the old bytes or the new ones."""
    with _aside(path.parent, content, mode) as aside:
        aside.rename(path)
        sync_directory(path.parent)


def link_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with all of `content` in one step; raises FileExistsError when another writer was first."""
    with _aside(path.parent, content, mode) as aside:
        os.link(aside, path)
        sync_directory(path.parent)


@contextmanager
def _aside(directory: Path, content: bytes, mode: int) -> Iterator[Path]:
    """A file with `content`, on disk, under a name of its own; locked as long as its writer lives."""
    aside, descriptor = _open_aside(directory, mode)
    try:
        _fill(descriptor, content, aside)
        yield aside
    finally:
        aside.unlink(missing_ok=True)
        os.close(descriptor)


def _open_aside(directory: Path, mode: int) -> tuple[Path, int]:
    while True:
        aside = directory / f"{ASIDE}{secrets.token_hex(8)}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return aside, descriptor
        os.close(descriptor)  # `clear_asides` came before the lock and took this writer for a dead one


def clear_asides(directory: Path) -> None:
    """Remove the files that killed writers left in `directory`; those of living writers are locked and stay."""
    _of_the_dead(directory, lambda aside: aside.unlink(missing_ok=True))


def unfinished(directory: Path) -> list[Path]:
    """The files that killed writers left in `directory`, sorted; the next writer removes them."""
    found: list[Path] = []
    _of_the_dead(directory, found.append)
    return sorted(found)


def _of_the_dead(directory: Path, found: Callable[[Path], object]) -> None:
    """Call `found` with every aside in `directory` whose writer is gone, under its lock."""
    for aside in directory.glob(f"{ASIDE}*"):
        try:
            descriptor = os.open(aside, os.O_RDWR)
        except (FileNotFoundError, IsADirectoryError):
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found(aside)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def place_directory(target: Path, files: Mapping[str, bytes]) -> None:
    """Create the directory `target` with `files` in one step, as `directory_aside` does."""
    with directory_aside(target) as aside:
        for name, content in files.items():
            write_new(aside / name, content)


@contextmanager
def directory_aside(target: Path) -> Iterator[Path]:
    """A new directory to fill, which gets the name `target` in one step at the end of the block. Write by `write_new`.

    The caller holds the lock of the parent directory. Raises Conflict when `target` exists with content, and whatever
    the block raises; nothing is left behind then.
    """
    aside = target.with_name(f"{ASIDE}{target.name}")
    try:
        aside.mkdir()
        yield aside
        for directory, _, _ in os.walk(aside, topdown=False):
            sync_directory(Path(directory))
        _place(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_directory(target.parent)


def _place(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)  # onto a directory that is not empty this fails, so nothing is ever replaced
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise Conflict(f"{target}: exists already, wanted a new directory; move it away") from error
        raise


def unfinished_directories(parent: Path) -> list[Path]:
    """What `directory_aside` left when it was killed, sorted. The caller holds the lock of `parent`."""
    return sorted(aside for aside in parent.glob(f"{ASIDE}*") if aside.is_dir())


def clear_aside_directories(parent: Path) -> None:
    """Remove what `directory_aside` left when it was killed. The caller holds the lock of `parent`."""
    for aside in unfinished_directories(parent):
        shutil.rmtree(aside)


def probe(directory: Path) -> None:
    """Check that exclusive link, fsync and rename work in `directory`; raises JournalDamaged where they do not."""
    name = directory / f"{_PROBE}{secrets.token_hex(8)}"
    try:
        make_directory(directory)
        _clear_probes(directory)
        link_new(name, b"first")
        _refuses_second_link(name)
        replace(name, b"second")
        if name.read_bytes() != b"second":
            raise JournalDamaged(f"{directory}: volume unfit: a file still has its old bytes after a rename")
    except OSError as error:
        raise JournalDamaged(
            f"{directory}: volume unfit: {error.strerror}; wanted one with hard links, fsync and rename"
        ) from error
    finally:
        name.unlink(missing_ok=True)


def _clear_probes(directory: Path) -> None:
    """Remove what killed probes left; one that still runs is younger."""
    for left in directory.glob(f"{_PROBE}*"):
        if time.time() - left.stat().st_mtime > _PROBING:
            left.unlink(missing_ok=True)


def _refuses_second_link(name: Path) -> None:
    try:
        link_new(name, b"other")
    except FileExistsError:
        return
    raise JournalDamaged(f"{name.parent}: volume unfit: a second link took a name that was taken")
