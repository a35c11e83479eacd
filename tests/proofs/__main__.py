"""`python -m tests.proofs WAY --fault 17:kill`: one execution, told effect by effect."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.proofs.execution import MEMORY, Case, Proof
from tests.proofs.machine import Fault
from tests.proofs.oracle import Violation
from tests.proofs.ways import WAYS


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("way", choices=sorted(WAYS))
    parser.add_argument(
        "--fault", action="append", default=[], metavar="POINT:FAULT", help="What goes wrong, and where."
    )
    parser.add_argument(
        "--move", action="append", default=[], metavar="BOUNDARY:WHO", help="Who runs on, and from when."
    )
    parser.add_argument("--broken", action="append", default=[], metavar="VERB", help="What fails all the time.")
    parser.add_argument("--seed", type=int, help="Draw faults and moves.")
    parser.add_argument("--controllers", type=int, choices=(1, 2), default=1)
    given = parser.parse_args(arguments)
    faults = tuple((int(at), Fault(fault)) for at, fault in (text.split(":") for text in given.fault))
    moves = tuple((int(at), who) for at, who in (text.split(":") for text in given.move))
    with tempfile.TemporaryDirectory(dir=MEMORY) as root:
        case = Case(given.way, faults, moves, given.seed, tuple(given.broken), given.controllers)
        try:
            outcome = Proof(Path(root)).execute(case)
        except Violation as violation:
            print(violation)
            return 1
    print(*outcome.points, sep="\n")
    print(f"journal: {' '.join(outcome.kinds)}")
    print(f"rest: {dict(outcome.rest)}, {'as undisturbed' if outcome.as_unkilled else 'the old production'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
