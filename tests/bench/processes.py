"""A process and its descendants as the kernel sees them: processor seconds, memory, and what the whole machine does."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def tree(root: int) -> list[int]:
    """Ids of a process and all its descendants."""
    parents = {int(path.name): _parent(path) for path in _PROC.iterdir() if path.name.isdigit()}
    found = [root]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a tree so far."""
    return sum(_ticks(process) for process in tree(root)) / _TICK


def proportional_memory(root: int) -> float:
    """MiB of a tree, shared pages divided by those who share them (PSS)."""
    return sum(_pss(process) for process in tree(root)) / 1024


def busy_seconds() -> float:
    """Time all cores of the machine have worked, and time a hypervisor took from them."""
    user, nice, system, _, _, irq, softirq, steal = map(int, (_PROC / "stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICK


def _fields(process: Path) -> list[str]:
    """Of its `stat`, from the state on; nothing when it is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(process: Path) -> int:
    fields = _fields(process)
    return int(fields[1]) if fields else 0


def _ticks(process: int) -> int:
    fields = _fields(_PROC / str(process))
    return int(fields[11]) + int(fields[12]) if fields else 0


def _pss(process: int) -> int:
    """KiB."""
    try:
        lines = (_PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
