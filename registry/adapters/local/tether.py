"""A child that cannot outlive its parent: `tether.py PARENT_PID -- command…`, the standard library alone.

On Linux the kernel kills the command when the thread that started it ends, so children are started from the main thread
only. Elsewhere this process stays, watches its parent and kills the command when the parent is gone.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
_LOOK = 0.2
"""Seconds between two looks at the parent where the kernel does not tell."""

_NOT_STARTED = 127


def tethered(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` tethered to this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), "--", *command]


def main(arguments: Sequence[str]) -> int:
    """Become `command` (Linux) or watch it; 127 when it cannot be started."""
    parent, command = int(arguments[0]), list(arguments[2:])
    try:
        if sys.platform == "linux":
            die_with_parent(parent)
            os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
        return watch(command, parent)
    except OSError as error:
        print(f"{command[0]}: not started: {error.strerror}", file=sys.stderr)
        return _NOT_STARTED


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL at the parent's end; the wish survives exec. Ends at once if that came before."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl refused")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def watch(command: Sequence[str], parent: int) -> int:
    """Run `command` until it ends or the parent does; SIGTERM is passed on. Returns its exit code."""
    child = subprocess.Popen(command)  # noqa: S603 - the command comes from the substrate
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            code = child.wait(timeout=_LOOK)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                child.kill()
        else:
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
