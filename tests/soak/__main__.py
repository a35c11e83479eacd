"""`python -m tests.soak`: good, bad, slow and leaving clients for minutes, then a table and a verdict.

Exit code 0: every answer was the one asked for, memory and descriptors are flat, the server's counters agree with what
the clients saw. Everything stays on this machine's loopback.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import kill
from pathlib import Path
from threading import Event

from tests.fixtures.versions import publish_tiny
from tests.hostile.conftest import samples, tree
from tests.predictor.conftest import RunningServer
from tests.soak import clients, hostile, truth
from tests.soak.tally import LOST, Tally
from tests.soak.watch import FLAT, Sample, growth, sample

WORKERS = 2
INTERVAL = 1.0  # seconds between two looks at memory
FEWEST_LOOKS = 5
STOOD_STILL = 5.0  # seconds between two looks
RECEIVE_TIMEOUT = "2"
GOOD = "ml_geometry_prediction_latency_seconds_count"
HOSTILE_GROWTH = 50.0  # MB
KILLS = 20


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="How long.")
    parser.add_argument("--kill", action="store_true", help="SIGKILL one of the processes in the middle.")
    parser.add_argument("--hostile", type=int, metavar="N", help="Instead: N hostile requests in a row.")
    parser.add_argument("--truth", type=int, metavar="N", help="Instead: N good answers counted, with 20 kills.")
    given = parser.parse_args(arguments)
    if given.truth:
        faults = true_counts(given.truth)
    else:
        with serving() as server:
            faults = hostile_run(server, given.hostile) if given.hostile else soak(server, given.seconds, given.kill)
    for fault in faults:
        print(f"FAULT {fault}")
    print("soak: failed" if faults else "soak: passed")
    return 1 if faults else 0


@contextmanager
def serving() -> Iterator[RunningServer]:
    with tempfile.TemporaryDirectory() as folder:
        publish_tiny(Path(folder))
        server = RunningServer(Path(folder), "--receive_timeout", RECEIVE_TIMEOUT, workers=WORKERS)
        try:
            yield server
        finally:
            server.stop()


def soak(server: RunningServer, seconds: float, with_kill: bool) -> list[str]:
    """Run the clients; what is wrong."""
    tally, stop = Tally(), Event()
    with clients.idle(server, tally):
        threads = clients.start(server, tally, stop)
        start = time.monotonic()
        before = watch(server, start, until=seconds / 2)
        if with_kill:
            kill(tree(server)[1], signal.SIGKILL)
        after = watch(server, start, until=seconds)
        stop.set()
        for thread in threads:
            thread.join()
    table(tally, {"start": before[0], "middle": before[-1], "end": (before + after)[-1]})
    return [
        *flatness([before, after] if with_kill else [before + after]),
        *surprises(tally),
        *losses(tally, len(threads) if with_kill else 0),
        *agreement(server, tally),
        *complaints(server, 1 if with_kill else 0),
    ]


def watch(server: RunningServer, start: float, *, until: float) -> list[Sample]:
    """Look at it every second, until so many seconds after the start."""
    seen, last = [], start
    while (now := time.monotonic()) - start < until:
        if now - last > STOOD_STILL:
            print(f"at {last - start:.0f} s this machine stood still for {now - last:.0f} s: clients and server alike")
        seen.append(sample(server, now - start))
        last = now
        time.sleep(INTERVAL)
    return [one for one in seen if one is not None]


def flatness(stretches: Sequence[Sequence[Sample]]) -> Iterator[str]:
    for stretch in stretches:
        if len(stretch) < FEWEST_LOOKS:
            yield f"{len(stretch)} looks at memory in a stretch, wanted {FEWEST_LOOKS} or more: take longer"
            continue
        for what, most in FLAT.items():
            grown = growth(stretch, what)
            if grown > most:
                yield f"{what} grew by {grown:.1f}, wanted at most {most:.0f}"


def surprises(tally: Tally) -> Iterator[str]:
    faults = sum(count for (_, outcome), count in tally.counts.items() if outcome.startswith("5"))
    print(f"5xx: {faults} (none was asked for)")
    for surprise, count in Counter(tally.surprises).items():
        yield f"{count} × not asked for: {surprise}"


def losses(tally: Tally, most: int) -> Iterator[str]:
    lost = sum(count for (_, outcome), count in tally.counts.items() if outcome == LOST)
    print(f"requests without an answer: {lost} (at most {most}: those in flight at a kill)")
    if lost > most:
        yield f"{lost} requests without an answer, wanted at most {most}"


def complaints(server: RunningServer, deaths: int) -> Iterator[str]:
    """Lines of the log that nobody expected: a process that is killed is missed once."""
    lines = [line.strip() for line in server.log if "ERROR" in line or "Traceback" in line]
    missed = [line for line in lines if "process_ended" in line][:deaths]
    yield from (f"in the log: {line}" for line in lines if line not in missed)


def agreement(server: RunningServer, tally: Tally) -> Iterator[str]:
    counted = int(sum(value for (name, _), value in samples(server).items() if name == GOOD))
    seen, most = tally.answered
    print(f"good answers: clients saw {seen}, the server counted {counted}, it may have given {most}")
    if not seen <= counted <= most:
        yield f"counted {counted} good answers, wanted {seen} to {most}"


def table(tally: Tally, looks: Mapping[str, Sample]) -> None:
    for (kind, outcome), count in sorted(tally.counts.items()):
        print(f"{kind:28} {outcome:>18} {count:>9}")
    print(f"{'all':28} {'':>18} {tally.total:>9}")
    for moment, one in looks.items():
        print(f"{moment:8} memory {one.memory:7.1f} MB   descriptors {one.descriptors:5}")


def true_counts(number: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        publish_tiny(Path(folder))
        return list(truth.run(Path(folder), number, KILLS))


def hostile_run(server: RunningServer, number: int) -> list[str]:
    """Memory before is read when everything has been used once; series are those of before the first request."""
    series = set(samples(server))
    well = hostile.run(server, number // 10, seed=0)
    looks = [sample(server, 0)]
    for turn in range(1, 11):
        well += hostile.run(server, number // 10, seed=turn)
        looks.append(sample(server, turn))
    grown = looks[-1].memory - looks[0].memory
    print(f"memory in MB: {' '.join(f'{look.memory:.0f}' for look in looks)}")
    print(f"{number} hostile requests: {well} were images still, memory grew by {grown:.1f} MB")
    faults = [f"series {key} came or went" for key in series ^ set(samples(server))]
    print(f"{len(series)} series before, {len(faults)} came or went")
    if grown > HOSTILE_GROWTH:
        faults.append(f"memory grew by {grown:.1f} MB, wanted at most {HOSTILE_GROWTH:.0f}")
    return faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
