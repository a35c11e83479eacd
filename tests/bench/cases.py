"""What is measured in one round, each as numbers with names: a server under a load, a ceiling, a start, memory."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol, TypeVar

from tests.bench import size
from tests.bench.forms import MANY, ask
from tests.bench.load import Plan, Seen
from tests.bench.processes import proportional_memory
from tests.bench.servers import CORES, PATIENCE, Running
from tests.bench.stand import Measured, Stand, probabilities
from tests.bench.statistics import quantile

Figures = Mapping[str, float]
Part = TypeVar("Part")

TICK = 0.005
WARM = 0.2
"""Seconds of load before its figures count: a server that was idle finds its code in the caches again."""


class Case(Protocol[Part]):
    """One measurement of a round, in one piece or in several parts that take turns with those of other cases."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Those that must be up before the first round."""

    def prepare(self, stand: Stand) -> None:
        """Once, with the servers up; raises SystemExit when an answer is wrong."""

    def run(self, stand: Stand, *, seed: int, scale: float) -> Part:
        """Measure. scale: of its seconds, 1 for all of them in one part."""

    def figures(self, parts: Sequence[Part]) -> Figures:
        """Of all parts of a round."""


class Averaged:
    """A case whose parts are figures already; errors are added up, so that none is lost in a mean."""

    def figures(self, parts: Sequence[Figures]) -> Figures:
        return {name: (sum if name == "errors" else fmean)([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class Load:
    """A server under a load; closed loop unless there is a `rate` (requests a second, Poisson).

    Figures: images a second, p50 and p99 in seconds, cpu in seconds an answer, the same of the generator, its lag and
    lateness, what others had of the machine, errors; alive: p99 of liveness.
    """

    server: str
    form: str = "jpeg"
    connections: int = 64
    seconds: float = 2.0
    rate: float | None = None
    probing: bool = False

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.server,)

    def prepare(self, stand: Stand) -> None:
        stand.check(stand.running[self.server], self.form)

    def run(self, stand: Stand, *, seed: int, scale: float) -> Measured:
        server = stand.running[self.server]
        plan = Plan(
            port=server.grpc if self.form == "grpc" else server.http,
            protocol="grpc" if self.form == "grpc" else "http",
            requests=stand.requests(self.form),
            seconds=self.seconds * scale,
            connections=self.connections,
            rate=self.rate,
            warm=WARM,
            seed=seed,
        )
        return stand.measure(server, plan, probing=self.probing)

    def figures(self, parts: Sequence[Measured]) -> Figures:
        seen = [part.seen for part in parts]
        probes = [part.probe for part in parts if part.probe]
        good = [latency for one in seen for latency in one.good]
        answers = sum(one.answers for one in seen)
        images = MANY if self.form == "jpegs" else 1
        figures = {"rate": images * sum(one.done for one in seen) / sum(one.seconds for one in seen)}
        figures |= {"cpu": sum(part.cpu for part in parts) / max(1, answers)}
        figures |= {"generator": fmean(one.cpu for one in seen), "lag": fmean(one.lag for one in seen)}
        figures |= {"late": max(one.late for one in seen), "others": fmean(part.others for part in parts)}
        figures |= {"p50": quantile(good, 0.5), "p99": quantile(good, 0.99)}
        figures["errors"] = sum(map(errors, (*seen, *probes)))
        alive = [latency for probe in probes for latency in probe.good]
        return figures | ({"alive": quantile(alive, 0.99)} if alive else {})


BETWEEN_LOOKS = 0.005
"""Seconds between two looks of an open loop at thousands of requests a second."""


@dataclass(frozen=True)
class Overload(Averaged):
    """Twice as many requests offered as a server answers at its best, on a pool of connections that grows as it must.

    The best is measured before and after: a machine that others use as well is not the same two seconds later.

    Figures: goodput as a share of that best, p99 of good answers and of refusals, alive, errors (neither of the two).
    """

    server: str
    connections: int = 64
    seconds: float = 2.0
    pool: int = 1024
    most: int = 4096

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.server,)

    def prepare(self, stand: Stand) -> None:
        stand.check(stand.running[self.server], "jpeg")

    def run(self, stand: Stand, *, seed: int, scale: float) -> Figures:
        server, requests = stand.running[self.server], stand.requests("jpeg")
        seconds = self.seconds * scale
        closed = Plan(port=server.http, requests=requests, seconds=seconds / 2, connections=self.connections, warm=WARM)
        before = stand.measure(server, closed).seen
        twice = Plan(
            port=server.http,
            requests=requests,
            seconds=seconds,
            connections=self.pool,
            most=self.most,
            rate=2 * before.done / before.seconds,
            seed=seed,
            warm=1.0,  # the queue fills
            tick=BETWEEN_LOOKS,
        )
        measured = stand.measure(server, twice, probing=True)
        seen, probe = measured.seen, measured.probe
        after = stand.measure(server, closed).seen
        best = (before.done + after.done) / (before.seconds + after.seconds)
        figures = {
            "goodput": seen.done / seconds / best,
            "p99": quantile(seen.good, 0.99),
            "offered": twice.rate,
            "late": seen.late,
            "generator": seen.cpu * seen.answers / (seconds + twice.warm) / CORES,
        }
        figures |= {
            "refused": quantile(seen.refused, 0.99) if seen.refused else 0.0,
            "alive": quantile(probe.good, 0.99),
        }
        return figures | {"errors": sum(seen.errors.values()) + errors(probe)}


@dataclass(frozen=True)
class Forward(Averaged):
    """A net without a server. Figures: images a second of all processes, seconds of one image."""

    model: str = "custom"
    processes: int = CORES
    decoding: bool = False
    seconds: float = 2.0

    servers = ()

    def prepare(self, stand: Stand) -> None:
        stand.ceiling(self.model, processes=self.processes, decoding=self.decoding)

    def run(self, stand: Stand, *, seed: int, scale: float) -> Figures:
        seconds = self.seconds * scale
        rate, image = stand.forward(self.model, seconds, processes=self.processes, decoding=self.decoding)
        return {"rate": rate, "image": image}


@dataclass(frozen=True)
class FirstAnswer(Averaged):
    """From the start of a server's process to its first right answer. Figures: seconds."""

    server: str

    servers = ()

    def prepare(self, stand: Stand) -> None:
        """Nothing: a start is what is measured. The first files read are in the cache from the round before."""

    def run(self, stand: Stand, *, seed: int, scale: float) -> Figures:
        running = stand.start(self.server)
        try:
            expected = stand.nets.expected("custom")[0]
            answer = _first_answer(running, stand.requests("jpeg")[0])
            seconds = time.perf_counter() - running.started
            found = probabilities(answer)
            wrong = max(abs(one - other) for one, other in zip(found, expected, strict=True)) > 1e-3
        finally:
            running.stop()
        return {"seconds": seconds, "errors": float(wrong)}


@dataclass(frozen=True)
class Memory(Averaged):
    """What the processes of a server keep after a load, shared pages divided. Figures: MiB."""

    server: str
    seconds: float = 2.0

    servers = ()

    def prepare(self, stand: Stand) -> None:
        """Nothing: every round has processes of its own."""

    def run(self, stand: Stand, *, seed: int, scale: float) -> Figures:
        running = stand.start(self.server)
        try:
            running.wait_ready()
            load = Plan(
                port=running.http, requests=stand.requests("jpeg"), seconds=self.seconds * scale, connections=64
            )
            seen = stand.measure(running, load).seen
            return {"mib": proportional_memory(running.process.pid), "errors": errors(seen)}
        finally:
            running.stop()


@dataclass(frozen=True)
class Installed(Averaged):
    """What requirements bring into site-packages. Figures: megabytes."""

    wanted: tuple[str, ...]

    servers = ()

    def prepare(self, stand: Stand) -> None:
        """Nothing: everything is installed."""

    def run(self, stand: Stand, *, seed: int, scale: float) -> Figures:
        return {"megabytes": size.megabytes(self.wanted)}


def errors(seen: Seen) -> float:
    """Whatever was no good answer."""
    return sum(seen.errors.values()) + len(seen.refused)


def _first_answer(running: Running, request: bytes) -> Mapping:
    while time.perf_counter() - running.started < PATIENCE and running.process.poll() is None:
        try:
            return ask(running.http, request)
        except (OSError, ValueError):
            time.sleep(TICK)
    raise SystemExit(f"{running.name}: no answer within {PATIENCE:.0f} s")
