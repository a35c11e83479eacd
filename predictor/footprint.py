"""What the system says of any process of the pod; None where it says nothing: without /proc, or when it has ended."""

import os
from pathlib import Path

PROC = Path("/proc")


def resident_bytes(pid: int) -> int | None:
    """Resident memory. Pages that forked processes share count in each of them."""
    try:
        pages = int((PROC / str(pid) / "statm").read_bytes().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") or None  # one that has ended and was not waited for has no pages


def open_descriptors(pid: int) -> int | None:
    """Open files and sockets."""
    try:
        return len(os.listdir(PROC / str(pid) / "fd"))  # noqa: PTH208 (thousands of names: no path for each)
    except OSError:
        return None
