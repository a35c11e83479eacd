"""Lets one writer run again and again, each time killed before a later system call; a test looks at what is left.

usage: kill_writers.py WRITER DIRECTORY [POINTS]
Leaves DIRECTORY/1, DIRECTORY/2 … as each killed writer left it, up to one that was not killed any more; with POINTS
only so many of them, drawn by a seed, and the last. A write is also cut in half, as on a full disk.
"""

import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from registry.domain.journal import Draft, Kind
from registry.domain.version import DEFAULT_MODEL, Version
from registry.store.backup import write_backup
from registry.store.home import Home
from registry.store.journal import JournalStore
from registry.store.keys import add_trust, generate_key, load_signing_key
from registry.store.restore import restore
from registry.store.transfer import export_version, import_version
from registry.store.versions import VersionStore
from tests.registry.store.installations import installation

CALLS = ("open", "write", "fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir", "close")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEED, LAST = 5, 10_000
Writer = Callable[[Path], None]


def publish(root: Path) -> None:
    files = {"card.json": b"{}", "model.tflite": b"weights" * 1000}
    key = load_signing_key(root.parent / "keys")
    VersionStore(root).publish(DEFAULT_MODEL, None, lambda _: files, key=key, created=NOON)


def append(root: Path) -> None:
    journal = JournalStore(root, DEFAULT_MODEL)
    for number in range(2):
        drafts = [Draft(Kind.REQUESTED, "tester", {"id": f"{number}"})]
        journal.append(drafts, head=journal.read()[-1] if journal.read() else None, now=NOON)


def generate(root: Path) -> None:
    generate_key(root)


def source(directory: Path) -> Home:
    """The installation that is backed up, restored and exported; a backup and an export of it lie beside."""
    home = installation(directory / "source")
    write_backup(home, directory / "backups", anchors={}, now=NOON)
    export_version(home, DEFAULT_MODEL, Version("1"), to=directory / "one.tar")
    return home


def backup(root: Path) -> None:
    write_backup(Home(root.parent / "source"), root, anchors={}, now=NOON)


def bring_back(root: Path) -> None:
    (found,) = (root.parent / "backups").glob("*Z")
    restore(Home(root), found, anchors={}, by="tester", reason="", now=NOON)


def receive(root: Path) -> None:
    import_version(Home(root), root.parent / "one.tar")


def delete(root: Path) -> None:
    home = Home(root)
    journal, gone = home.journal_of(DEFAULT_MODEL), {"version": "1", "reason": ""}
    drafts = [Draft(Kind.ARCHIVED, "tester", gone), Draft(Kind.DELETED, "tester", gone)]
    journal.append(drafts, head=journal.read()[-1], now=NOON)
    home.versions().strip(DEFAULT_MODEL, Version("1"))


def trusting(root: Path) -> None:
    add_trust(root / "keys", root.parent / "source" / "keys")


def copied(root: Path) -> None:
    shutil.copytree(root.parent / "source", root)


def nothing(root: Path) -> None:
    """What the writer needs is beside its directory."""


WRITERS: Mapping[str, tuple[Writer, Writer]] = {
    "publish": (nothing, publish),
    "append": (nothing, append),
    "generate": (nothing, generate),
    "backup": (nothing, backup),
    "restore": (nothing, bring_back),
    "import": (trusting, receive),
    "delete": (copied, delete),
}
"""What prepares a directory, and the writer that is killed in it."""


def killed_before_call(number: int) -> list[int]:
    """From now on, this process ends itself before its `number`-th call that changes or opens a file.

    Returns how many calls are left until then, which goes down.
    """
    left = [number]

    def counted(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                if call == "write":
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return wrapper

    for call in CALLS:
        setattr(os, call, counted(call, getattr(os, call)))
    return left


def calls(directory: Path, prepare: Writer, writer: Writer) -> int:
    """How many calls the writer makes when nobody kills it."""
    reading, writing = os.pipe()
    prepare(directory / "counted")
    if os.fork() == 0:
        left = killed_before_call(LAST)
        writer(directory / "counted")
        made = LAST - left[0]
        os.write(writing, str(made).encode())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    shutil.rmtree(directory / "counted")
    return int(os.read(reading, 100))


def main(name: str, directory: Path, points: int) -> None:
    prepare, writer = WRITERS[name]
    generate_key(directory / "keys")
    source(directory)
    every = range(1, calls(directory, prepare, writer) + 1)
    drawn = sorted(random.Random(SEED).sample(every, min(points, len(every))))
    for number in [*drawn, every[-1] + 1]:
        prepare(directory / str(number))
        child = os.fork()
        if child == 0:
            killed_before_call(number)
            writer(directory / str(number))
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) == (number in every), f"{name} at call {number} of {len(every)}: status {status}"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else LAST)
