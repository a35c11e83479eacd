"""A disk that refuses any write, fsync, rename or link leaves the old state or the new one, and gives space back."""

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.domain.version import DEFAULT_MODEL
from registry.store.durable import ASIDE
from registry.store.journal import JournalStore
from registry.store.keys import generate_key, load_trust
from registry.store.versions import VersionStore
from tests.registry.store.kill_writers import SEED, WRITERS

CALLS = "mkdir,write,fsync,rename,link"
Fault = tuple[str, int, str]

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def straced(writer: str, root: Path, *options: str) -> int:
    """The exit code of a writer under strace."""
    command = ["strace", "-f", "-qq", "-o", str(root.parent / "log"), "-e", f"trace={CALLS}", *options]
    writing = [sys.executable, str(Path(__file__).with_name("one_writer.py")), writer, str(root)]
    path = os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*command, *writing], env=environment, capture_output=True, check=False).returncode


def faults(writer: str, directory: Path, points: int) -> Iterator[tuple[Fault, Path]]:
    """Every call of the writer, or `points` of them, refused as by a full disk and a broken one; and what it left."""
    generate_key(directory / "keys")
    if straced(writer, directory / "whole") != 0:
        pytest.skip("strace may not trace here")
    made = re.findall(r"^\d+ (\w+)\(", (directory / "log").read_text(), re.MULTILINE)
    nth = [(call, made[: index + 1].count(call)) for index, call in enumerate(made)]
    every = [(call, number, error) for call, number in nth for error in ("ENOSPC", "EIO")]
    for fault in random.Random(SEED).sample(every, min(points, len(every))):
        call, number, error = fault
        root = directory / f"{call}-{number}-{error}"
        assert straced(writer, root, "-e", f"inject={call}:error={error}:when={number}") == 3, fault
        yield fault, root


SOME = pytest.mark.parametrize("points", [12, pytest.param(10_000, marks=pytest.mark.prove)])


@SOME
def test_a_refused_publish_leaves_a_whole_version_or_none(tmp_path: Path, points: int) -> None:
    for fault, root in faults("publish", tmp_path, points):
        store, trust = VersionStore(root), load_trust(tmp_path / "keys")
        assert not list(root.rglob(f"{ASIDE}*")), fault
        for version in store.versions(DEFAULT_MODEL):
            store.verify(DEFAULT_MODEL, version, trust)
        before = store.versions(DEFAULT_MODEL)
        WRITERS["publish"][1](root)
        assert len(store.versions(DEFAULT_MODEL)) == len(before) + 1, fault


@SOME
def test_a_refused_append_leaves_a_whole_entry_or_none(tmp_path: Path, points: int) -> None:
    for fault, root in faults("append", tmp_path, points):
        before = JournalStore(root, DEFAULT_MODEL).read()
        assert not list(root.rglob(f"{ASIDE}*")), fault
        assert len(before) < 3
        WRITERS["append"][1](root)
        after = JournalStore(root, DEFAULT_MODEL).read()
        assert after[: len(before)] == before
        assert len(after) == len(before) + 2, fault
