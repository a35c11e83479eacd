"""`python -m tests.bench`: all servers side by side, in rounds; the table goes to stdout, progress to stderr."""

import argparse
import os
import platform
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.nets import ROOT, prepare
from tests.bench.report import Line, chart, document, lines, medians, table
from tests.bench.rows import GROUPS, Group, Round
from tests.bench.stand import Stand

CACHE = ROOT / ".geometry/bench"
SEED = 4


def main() -> int:
    """0 when everything was measured, whatever the verdicts."""
    if not hasattr(os, "sched_getaffinity"):
        print("bench: this system is not Linux; wanted Linux, whose /proc it reads", file=sys.stderr)
        return 1
    options = _options(sys.argv[1:])
    CACHE.mkdir(parents=True, exist_ok=True)
    groups = [group for group in GROUPS if not options.rows or group.name in options.rows]
    machine = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "cores": len(os.sched_getaffinity(0))}
    machine |= {"load_average": os.getloadavg(), "system": platform.platform(), "python": platform.python_version()}
    print(f"bench: load average {' '.join(f'{load:.2f}' for load in os.getloadavg())}", file=sys.stderr)
    stand = Stand(prepare(CACHE), CACHE / "logs")
    stand.logs.mkdir(exist_ok=True)
    rounds: dict[str, list[Round]] = {}
    found: list[Line] = []
    try:
        for group in groups:
            rounds[group.name] = _measured(group, stand, options)
            found += lines(group, rounds[group.name])
    finally:
        stand.close()
        if found:
            options.json.write_text(document(found, rounds, machine))
    chart(found, options.chart)
    print(table(found))
    print(f"bench: {options.json} and {options.chart} hold all of it", file=sys.stderr)
    return 0


def _measured(group: Group, stand: Stand, options: argparse.Namespace) -> list[Round]:
    begun, count = time.perf_counter(), min(group.rounds, options.rounds or group.rounds)
    stand.up(server for case in group.cases.values() for server in case.servers)
    for case in group.cases.values():
        case.prepare(stand)
    found: list[Round] = []
    for number in range(count):
        order = list(group.cases)
        random.Random(f"{SEED} {group.name} {number}").shuffle(order)
        found.append(_round(group, order, stand, number, options.seconds))
    seconds = time.perf_counter() - begun
    words = f"bench: {group.name}: {count} round{'s' * (count > 1)} in {seconds:.0f} s"
    print(f"{words}\n{medians(found)}\n{table(lines(group, found))}", file=sys.stderr)
    return found


def _round(group: Group, order: list[str], stand: Stand, number: int, scale: float) -> Round:
    """Every case, in its turns."""
    parts: dict[str, list[Any]] = {name: [] for name in order}
    for turn in range(group.turns):
        for name in order if turn % 2 == 0 else reversed(order):
            seed = number * group.turns + turn
            parts[name].append(group.cases[name].run(stand, seed=seed, scale=scale / group.turns))
    return {name: group.cases[name].figures(parts[name]) for name in order}


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [group.name for group in GROUPS]
    parser.add_argument("--rows", type=lambda text: text.split(","), help=f"Some of {', '.join(names)}.")
    parser.add_argument("--rounds", type=int, help="At most so many rounds.")
    parser.add_argument("--seconds", type=float, default=1.0, help="Factor on the seconds of every measurement.")
    parser.add_argument("--json", type=Path, default=CACHE / "bench.json")
    parser.add_argument("--chart", type=Path, default=CACHE / "bench.svg")
    options = parser.parse_args(arguments)
    if unknown := set(options.rows or ()) - set(names):
        parser.error(f"--rows: found {', '.join(sorted(unknown))}, wanted some of {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
