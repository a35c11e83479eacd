"""The system calls with which the store and the journal change a disk, each of them a point.

The files are real. What is forced to disk is not: a machine that loses its power is another proof.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.proofs.machine import ON_DISK, Fault, Killed, Machine

_CREATE = ON_DISK - {Fault.LOST}
_SYNC = ON_DISK - {Fault.LOST}


@contextmanager
def hooked(machine: Machine) -> Iterator["Calls"]:
    """Lead the calls of this process through `machine` as long as the block lasts."""
    calls = Calls(machine)
    before = {name: getattr(os, name) for name in calls.table}
    flock = fcntl.flock
    for name, call in calls.table.items():
        setattr(os, name, call)
    fcntl.flock = calls.flock
    try:
        yield calls
    finally:
        for name, call in before.items():
            setattr(os, name, call)
        fcntl.flock = flock
        calls.close_all()


class Calls:
    """Replacements of `os.open` and its kin. Descriptors are remembered, because a kernel closes those of the dead."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._open: dict[int, tuple[str, str]] = {}
        self._close, self._opens, self._write, self._flock = os.close, os.open, os.write, fcntl.flock
        named: dict[str, Callable[..., Any]] = {
            name: self._named(name, argument)
            for name, argument in (
                ("link", 1),
                ("rename", 1),
                ("replace", 1),
                ("unlink", 0),
                ("mkdir", 0),
                ("rmdir", 0),
            )
        }
        special = {"open": self.open, "close": self.close, "write": self.write, "fsync": self.fsync}
        self.table = {**named, **special, "getpid": lambda: machine.pid}

    def close_of(self, actor: str) -> None:
        """What the kernel does when a process is gone."""
        for descriptor in [found for found, (owner, _) in self._open.items() if owner == actor]:
            del self._open[descriptor]
            self._close(descriptor)

    def close_all(self) -> None:
        for actor in {owner for owner, _ in self._open.values()}:
            self.close_of(actor)

    def _named(self, name: str, argument: int) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            if name == "mkdir" and not self._machine.dead and Path(arguments[0]).is_dir():
                return real(*arguments, **keywords)  # asked to be sure, and nothing happens
            label = f"{name} {_label(arguments[argument])}"
            return self._machine.point(label, ON_DISK, lambda: real(*arguments, **keywords))

        return call

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        def act() -> int:
            descriptor = self._opens(path, flags, mode, dir_fd=dir_fd)
            if flags & (os.O_RDWR | os.O_WRONLY | os.O_DIRECTORY):  # readers close theirs with the file object
                self._open[descriptor] = (self._machine.actor, _label(path))
            return descriptor

        if not flags & os.O_CREAT:
            if self._machine.dead:
                raise Killed
            return act()
        return self._machine.point(f"create {_label(path)}", _CREATE, act)

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        self._close(descriptor)

    def write(self, descriptor: int, content: Any) -> int:
        half = len(content) // 2
        return self._machine.point(
            f"write {self._open[descriptor][1]}",
            ON_DISK | {Fault.TORN},
            lambda: self._write(descriptor, content),
            half=lambda: self._write(descriptor, content[:half]),
        )

    def fsync(self, descriptor: int) -> None:
        self._machine.point(f"sync {self._open[descriptor][1]}", _SYNC, lambda: None)

    def flock(self, descriptor: int, operation: int) -> None:
        """Waiting for a lock lets the others run; one who waits for himself never gets it."""
        while True:
            try:
                self._flock(descriptor, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                if operation & fcntl.LOCK_NB:
                    raise
                self._machine.wait()
            else:
                return


def _label(path: Any) -> str:
    name = Path(os.fsdecode(path)).name if not isinstance(path, int) else f"descriptor {path}"
    return "aside" if name.startswith(".aside-") else name
