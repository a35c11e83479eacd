"""Where measurements are made: servers that are up, generators run against them, and whether the machine was quiet."""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from tests.bench.forms import FORMS, LIVE, ask, ask_grpc
from tests.bench.load import Plan, Seen
from tests.bench.nets import ROOT, Nets
from tests.bench.processes import busy_seconds, cpu_seconds
from tests.bench.servers import Ceiling, Running

Found = TypeVar("Found")

PROBES_A_SECOND = 20
TOLERANCE = 1e-3
"""How far probabilities of other runtimes and decoders may be from ours."""

FOREIGN = 0.05
"""Share of the machine that others may take; above it a measurement is repeated."""
LAG = 0.5
"""Share of its time that the generator may wait for a core; the servers keep all cores busy, so it waits a little."""
REPEATS = 2
REPEATS_OF_A_RUN = 60
IDLE = 0.01


@dataclass(frozen=True)
class Measured:
    """One plan carried out. cpu: seconds that the server took for all of it. others: share of the machine that neither
    servers nor generators had. probe: what came of the liveness probes."""

    seen: Seen
    cpu: float
    others: float
    probe: Seen | None


@dataclass(frozen=True)
class Account:
    """cpu: seconds of the processes that were measured. others: share of the machine that neither they nor we had."""

    cpu: float
    others: float


@dataclass
class Stand:
    """Starts what is needed, stops what is not. `close` stops everything."""

    nets: Nets
    logs: Path
    running: dict[str, Running] = field(default_factory=dict)
    ceilings: dict[tuple[str, int, bool], Ceiling] = field(default_factory=dict)
    repeats: int = 0
    _generators: dict[str, "Generator"] = field(default_factory=dict)

    def up(self, servers: Iterable[str]) -> None:
        """Have these servers up and no others."""
        wanted = set(servers)
        for name in set(self.running) - wanted:
            self.running.pop(name).stop()
        for name in sorted(wanted - set(self.running)):
            self.running[name] = self.start(name)
            self.running[name].wait_ready()

    def start(self, name: str) -> Running:
        return Running(name, self.nets, self.logs)

    def close(self) -> None:
        self.up(())
        for idle in (*self.ceilings.values(), *self._generators.values()):
            idle.stop()
        self.ceilings.clear()
        self._generators.clear()

    def ceiling(self, model: str, *, processes: int, decoding: bool = False) -> Ceiling:
        """Idle until it is run, so it may stay for the whole run."""
        key = (model, processes, decoding)
        if key not in self.ceilings:
            self.ceilings[key] = Ceiling(self.nets, model, processes=processes, decoding=decoding)
        return self.ceilings[key]

    def requests(self, form: str) -> tuple[bytes, ...]:
        return _requests(form, self.nets)

    def check(self, server: Running, form: str) -> None:
        """Ask once and compare; raises SystemExit when the answer is not that of the same net on the same picture."""
        model = "efficientnet" if form == "large_jpeg" else "custom"
        request, expected = self.requests(form)[0], self.nets.expected(model)[0]
        try:
            found = probabilities(ask_grpc(server.grpc, self.nets) if form == "grpc" else ask(server.http, request))
        except (OSError, ValueError) as error:
            raise SystemExit(f"{server.name}, {form}: {error}; wanted an answer") from error
        tolerance = 0.1 if server.name == "int8" else TOLERANCE
        if max(abs(one - other) for one, other in zip(found, expected, strict=True)) > tolerance:
            raise SystemExit(f"{server.name}, {form}: found {found}, wanted {expected}")

    def measure(self, server: Running, plan: Plan, *, probing: bool = False) -> Measured:
        """Carry a plan out; again, a few times, when somebody else had the machine meanwhile."""

        generator, prober = self._generator("load"), self._generator("probe") if probing else None

        def work() -> tuple[Seen, Seen | None]:
            if prober:
                prober.begin(_probes(server.http, plan))
            generator.begin(plan)
            return generator.seen(), prober.seen() if prober else None

        (seen, probe), account = self.quietly(server.name, server.process.pid, work, lag=lambda found: found[0].lag)
        return Measured(seen, account.cpu, account.others, probe)

    def _generator(self, name: str) -> "Generator":
        """Idle until it has a plan, so it may stay for the whole run."""
        if name not in self._generators:
            self._generators[name] = Generator()
        return self._generators[name]

    def forward(self, model: str, seconds: float, *, processes: int, decoding: bool = False) -> tuple[float, float]:
        """Images a second without a server, and seconds of one."""
        ceiling = self.ceiling(model, processes=processes, decoding=decoding)
        return self.quietly(f"{model} alone", os.getpid(), lambda: ceiling.run(seconds))[0]

    def quietly(
        self, name: str, tree: int, work: Callable[[], Found], *, lag: Callable[[Found], float] = lambda _: 0.0
    ) -> tuple[Found, Account]:
        """Do it, with an account of it; again while others took too much of the machine, but not for ever."""
        for repeat in range(REPEATS + 1):
            found, account = self._accounted(tree, work)
            quiet = account.others <= FOREIGN and lag(found) <= LAG
            if quiet or repeat == REPEATS or self.repeats == REPEATS_OF_A_RUN:
                break
            self.repeats += 1
            words = f"others took {account.others:.0%} of the machine, the generator waited {lag(found):.0%}"
            print(f"bench: {name}: once more, {words}", file=sys.stderr)
        return found, account

    def _accounted(self, tree: int, work: Callable[[], Found]) -> tuple[Found, Account]:
        trees = {running.process.pid: name for name, running in self.running.items()} | {tree: ""}
        before = {process: cpu_seconds(process) for process in trees}
        generators = [generator.pid for generator in self._generators.values()]
        generated = sum(map(cpu_seconds, generators))
        busy, begun = busy_seconds(), time.perf_counter()
        found = work()
        elapsed = time.perf_counter() - begun
        used = {process: cpu_seconds(process) - before[process] for process in trees}
        ours = sum(used.values()) + sum(map(cpu_seconds, generators)) - generated
        for process, name in trees.items():
            if name and used[process] > IDLE * elapsed:
                print(f"bench: {name} took {used[process] / elapsed:.1%} of a core while it was idle", file=sys.stderr)
        others = (busy_seconds() - busy - ours) / (elapsed * (os.cpu_count() or 1))
        return found, Account(used[tree], max(0.0, others))


class Generator:
    """A load generator: one plan after the other."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.bench.load"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._process.pid

    def begin(self, plan: Plan) -> None:
        """Start with a plan; the one before must have been seen."""
        pickle.dump(plan, self._process.stdin)
        self._process.stdin.flush()

    def seen(self) -> Seen:
        """Wait for the plan's end; raises SystemExit when the generator did not reach it."""
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the load generator failed")
        return Seen(**json.loads(line))

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def probabilities(answer: Mapping) -> list[float]:
    """Of the first picture, in the order of the classes, from an answer of v1 or v2."""
    if "predictions" in answer:
        return list(answer["predictions"][0]["probabilities"].values())
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    return list(outputs.get("probabilities", outputs.get("output-0")))


def _probes(port: int, plan: Plan) -> Plan:
    """Is it alive, asked on a new connection every 50 ms for as long as `plan` counts."""
    return Plan(
        port=port,
        requests=LIVE,
        seconds=plan.seconds,
        warm=plan.warm,
        connections=0,
        most=512,
        rate=PROBES_A_SECOND,
        arrivals="even",
        fresh=True,
    )


@cache
def _requests(form: str, nets: Nets) -> tuple[bytes, ...]:
    return tuple(FORMS[form](nets))
