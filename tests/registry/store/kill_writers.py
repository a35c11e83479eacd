"""Lets one writer run again and again, each time killed before a later system call; a test looks at what is left.

usage: kill_writers.py publish|append|generate DIRECTORY
Leaves DIRECTORY/1, DIRECTORY/2 … as each killed writer left it, until one was not killed any more. A write is also cut
in half, as on a full disk.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from registry.domain.journal import Draft, Kind
from registry.domain.version import DEFAULT_MODEL
from registry.store.journal import JournalStore
from registry.store.keys import generate_key, load_signing_key
from registry.store.versions import VersionStore

CALLS = ("open", "write", "fsync", "rename", "replace", "link", "unlink", "mkdir", "close")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


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


def killed_before_call(number: int) -> None:
    """From now on, this process ends itself before its `number`-th call that changes or opens a file."""
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


def main(writer: Callable[[Path], None], directory: Path) -> None:
    generate_key(directory / "keys")
    for number in range(1, 1000):
        child = os.fork()
        if child == 0:
            killed_before_call(number)
            writer(directory / str(number))
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
    sys.exit("the writer never came to its end")


if __name__ == "__main__":
    main({"publish": publish, "append": append, "generate": generate}[sys.argv[1]], Path(sys.argv[2]))
