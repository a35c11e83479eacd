"""Are the counters true? Processes are killed under load, and what is scraped is compared with what clients got.

A process counts an answer before it sends it: so whatever dies, as much is scraped as was answered, and no more than
what was in flight besides. Of several processes of a pod none takes its counters with it. A pod that dies does: what it
had answered since the last scrape is unseen, and its successor begins at 0.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.hostile.conftest import samples, tree
from tests.predictor.conftest import RunningServer
from tests.soak.asking import Asking
from tests.soak.questions import good

PROCESSES = (1, 2, 4)
CONNECTIONS = 16
FORMS = ("good: v1 base64", "good: v1 file", "good: v2 base64", "good: v2 raw")
AFTER = 3 * CONNECTIONS  # answers between a scrape and a kill
PATIENCE = 30.0  # seconds for a process to be replaced

_FEATURE = "ml_geometry_input_feature_count"
COUNTED = {
    "requests": ("ml_geometry_prediction_latency_seconds_count", ""),
    "images": ("ml_geometry_prediction_confidence_count", ""),
    "classes": ("ml_geometry_predictions_total", ""),
    "brightness": (_FEATURE, "brightness"),
    "edge density": (_FEATURE, "edge_density"),
}
"""What every answer of one image adds 1 to: a name, and a label that it has."""
INFLIGHT, RESTARTS = "ml_geometry_inflight_requests", "ml_geometry_process_restarts_total"
START = ("process_start_time_seconds", frozenset[str]())

Samples = Mapping[tuple[str, frozenset[str]], float]


class Scraped:
    """Adds up the scrapes of a pod and its successors; a successor is known by its start."""

    def __init__(self) -> None:
        self._before: Counter[tuple[str, frozenset[str]]] = Counter()
        self._last: Samples = {}

    def take(self, found: Samples) -> list[str]:
        """Take a scrape in; the counters that fell, and the series that came or went."""
        if self._last and found[START] != self._last[START]:
            self._before.update({key: value for key, value in self._last.items() if _increases(key[0])})
            self._last = {}
        faults = []
        if self._last:
            faults += [f"series {key} came or went" for key in self._last.keys() ^ found.keys()]
            fallen = [key for key, value in self._last.items() if _increases(key[0]) and found.get(key, value) < value]
            faults += [f"counter {key} fell to {found[key]:.0f}" for key in fallen]
        self._last = found
        return faults

    def total(self, name: str, label: str = "") -> int:
        """All that was ever counted under a name, with a label where one is given."""
        keys = [key for key in self._last if key[0] == name and (not label or label in key[1])]
        return int(sum(self._last[key] + self._before[key] for key in keys))


class Trial:
    """One pod under load. unseen: answers that a pod which died may have taken with it."""

    def __init__(self, home: Path, processes: int, *, seed: int) -> None:
        self.asking = Asking(requests(), connections=CONNECTIONS)
        self.scraped = Scraped()
        self.faults: list[str] = []
        self.kills = 0
        self.unseen = 0
        self._scraped_at = 0
        self._home, self._processes = home, processes
        self._chance = random.Random(seed)
        self.server = self._start()

    def run(self, answers: int, kills: int) -> None:
        """So many answers more, in stretches with a kill somewhere in the middle of each."""
        for stretch in range(1, kills + 1):
            start, end = self.asking.answered, answers * stretch // kills
            self._ask(kill_at=self._chance.randrange(start + AFTER, end), end=end)
            if self._processes == 1:
                self._succeed()
                self._ask(kill_at=None, end=end)
            self._look("between two kills")

    def rest(self) -> None:
        """Wait until every killed process has its successor: then nothing is in flight, and every kill was counted."""
        wanted = 0 if self._processes == 1 else self.kills
        end = time.monotonic() + PATIENCE
        while (found := self._at_rest()) != (0, wanted) and time.monotonic() < end:
            os.sched_yield()
        if found != (0, wanted):
            self.faults.append(f"found {found[0]} in flight and {found[1]} restarts at rest, wanted 0 and {wanted}")
        self._look("at rest")

    def _ask(self, *, kill_at: int | None, end: int) -> None:
        """Up to so many answers; with a kill on the way, shortly after a scrape."""
        looked = killed = False

        def done() -> bool:
            nonlocal looked, killed
            if kill_at is not None and not looked and self.asking.answered >= kill_at - AFTER:
                self._look("before a kill")
                looked = True
            if kill_at is not None and not killed and self.asking.answered >= kill_at:
                killed = self._kill()
            return self.asking.answered >= end or (killed and self._processes == 1)

        self.asking.ask(self.server.http, done)

    def _succeed(self) -> None:
        """A pod that died has a successor."""
        self.server.wait()
        self.unseen += self.asking.answered - self._scraped_at
        self.server = self._start()

    def _kill(self) -> bool:
        """Kill one of the processes that serve; False while there is none."""
        first, *workers = tree(self.server)
        serving = workers if self._processes > 1 else [first]
        if serving:
            os.kill(self._chance.choice(serving), signal.SIGKILL)
            self.kills += 1
        return bool(serving)

    def _look(self, when: str) -> None:
        """Scrape, whatever goes on meanwhile, and compare."""
        self._scraped_at = self.asking.answered
        self.faults += self.scraped.take(samples(self.server))
        fewest = self._scraped_at - self.unseen
        most = self._scraped_at + self.asking.in_flight + self.asking.lost
        for what, (name, label) in COUNTED.items():
            counted = self.scraped.total(name, label)
            if not fewest <= counted <= most:
                self.faults.append(f"{when}: counted {counted} {what}, wanted {fewest} to {most}")

    def _at_rest(self) -> tuple[int, int]:
        found = samples(self.server)
        inflight, restarts = (sum(found[key] for key in found if key[0] == name) for name in (INFLIGHT, RESTARTS))
        return int(inflight), int(restarts)

    def _start(self) -> RunningServer:
        return RunningServer(self._home, workers=self._processes)

    def stop(self) -> None:
        self.server.stop()


def requests() -> list[bytes]:
    """One image each, as file and as tensor."""
    asked = [question.content for question in good() if question.kind in FORMS]
    assert len(asked) == len(FORMS)
    return asked


def run(home: Path, answers: int, kills: int) -> Iterator[str]:
    """Share both among pods of 1, 2 and 4 processes; what is wrong."""
    for place, processes in enumerate(PROCESSES):
        share = kills * (place + 1) // len(PROCESSES) - kills * place // len(PROCESSES)
        trial = Trial(home, processes, seed=processes)
        begun = time.monotonic()
        try:
            trial.run(answers // len(PROCESSES), share)
            trial.rest()
        finally:
            trial.stop()
        asking = trial.asking
        print(
            f"{processes} processes, {trial.kills} kills: answered {asking.answered}, unseen {trial.unseen}, lost "
            f"{asking.lost}; counted {' '.join(str(trial.scraped.total(*one)) for one in COUNTED.values())} "
            f"({', '.join(COUNTED)}); {asking.answered / (time.monotonic() - begun):.0f}/s"
        )
        yield from trial.faults


def _increases(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))
