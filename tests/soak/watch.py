"""Memory and descriptors of a server's processes while it is used."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.conftest import descriptors, tree
from tests.predictor.conftest import RunningServer

MEGABYTE = 1024  # in the kB of /proc
WARM_UP = 0.3  # share of a stretch in which memory may grow as it pleases
FLAT = {"memory": 10.0, "descriptors": 20.0}  # MB, files: growth that is none


@dataclass(frozen=True)
class Sample:
    """seconds: since the start. memory: MB, shared pages counted once."""

    seconds: float
    memory: float
    descriptors: int


def sample(server: RunningServer, seconds: float) -> Sample | None:
    """None while a process is being replaced."""
    try:
        memory = sum(_pss(process) for process in tree(server)) / MEGABYTE
        return Sample(seconds, memory, descriptors(server))
    except (FileNotFoundError, ProcessLookupError):
        return None


def growth(samples: Sequence[Sample], what: str) -> float:
    """From the first to the last fifth of a stretch after its warm-up: medians, so that no peak decides."""
    begin, end = samples[0].seconds, samples[-1].seconds
    warm = [getattr(sample, what) for sample in samples if sample.seconds >= begin + WARM_UP * (end - begin)]
    fifth = max(1, len(warm) // 5)
    return statistics.median(warm[-fifth:]) - statistics.median(warm[:fifth])


def _pss(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
