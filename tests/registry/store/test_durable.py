"""Writing so that readers see all or nothing."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.domain.errors import Conflict, JournalDamaged
from registry.store import durable


def test_a_name_is_given_once(tmp_path: Path) -> None:
    durable.link_new(tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        durable.link_new(tmp_path / "a", b"second")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"first"}


def test_replacing_leaves_the_new_bytes_alone(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        durable.replace(tmp_path / "a", content, mode=0o600)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_no_directory_is_replaced(tmp_path: Path) -> None:
    durable.place_directory(tmp_path / "1", {"a": b"first"})
    with pytest.raises(Conflict, match="exists already"):
        durable.place_directory(tmp_path / "1", {"a": b"second"})
    assert (tmp_path / "1" / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


@contextmanager
def small_files() -> Iterator[None]:
    """Files above 1000 bytes fail as on a full disk; only inside, because pytest's own output may be a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_names_the_file_and_gives_the_space_back(tmp_path: Path) -> None:
    with small_files(), pytest.raises(OSError, match=r"big\.bin"):
        durable.place_directory(tmp_path / "1", {"small": b"", "big.bin": bytes(2000)})
    with small_files(), pytest.raises(OSError, match="File too large"):
        durable.link_new(tmp_path / "entry", bytes(2000))
    assert list(tmp_path.iterdir()) == []


def test_asides_of_living_writers_stay(tmp_path: Path) -> None:
    alive, dead = tmp_path / ".aside-alive", tmp_path / ".aside-dead"
    dead.touch()
    with durable.locked(alive):
        durable.clear_asides(tmp_path)
        assert (alive.exists(), dead.exists()) == (True, False)
    durable.clear_asides(tmp_path)
    assert not alive.exists()


def test_a_fit_volume_passes_and_is_left_as_it_was(tmp_path: Path) -> None:
    durable.probe(tmp_path / "journal")
    assert list((tmp_path / "journal").iterdir()) == []


def test_what_a_killed_probe_left_is_removed_and_a_running_one_is_not(tmp_path: Path) -> None:
    left, running = tmp_path / ".probe-dead", tmp_path / ".probe-alive"
    left.touch()
    running.touch()
    os.utime(left, (1, 1))
    durable.probe(tmp_path)
    assert list(tmp_path.iterdir()) == [running]


def test_an_unfit_volume_is_refused() -> None:
    # procfs has neither links nor new files, for root and everybody else
    with pytest.raises(JournalDamaged, match=f"/proc/{os.getpid()}/fd.*volume unfit"):
        durable.probe(Path(f"/proc/{os.getpid()}/fd"))
