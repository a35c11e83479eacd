"""No child outlives its parent, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry.adapters.local import tether

PARENT = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
import tether
command = [sys.executable, "-I", "-S", "-c", "import os, signal; print(os.getpid(), flush=True); signal.pause()"]
tethered = tether.tethered(command)
if sys.argv[2] == "watched":
    tethered = [*tethered[:3], "-c", "import sys; sys.path.insert(0, sys.argv[1]); import tether; "
                "sys.exit(tether.watch(sys.argv[4:], int(sys.argv[2])))", sys.argv[1], *tethered[4:]]
subprocess.Popen(tethered, start_new_session=True).wait()
"""


def gone(pid: int) -> bool:
    """Has ended; so has a zombie that nobody reaps."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.startswith("Z")


@pytest.mark.parametrize("how", ["by the kernel", "watched"])
def test_a_killed_parent_takes_its_child_along(how, until):
    command = [sys.executable, "-I", "-S", "-c", PARENT, str(Path(tether.__file__).parent), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    until(lambda: gone(child))


def test_a_watched_command_hands_its_exit_code_on():
    command = [sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"]
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert tether.watch(command, os.getppid()) == 7
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_parent_that_ended_before_leaves_nothing_running():
    stranger = [*tether.tethered(["true"])]
    stranger[4] = "1"
    assert subprocess.run(stranger, check=False).returncode == -signal.SIGKILL
