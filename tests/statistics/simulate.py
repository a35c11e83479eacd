"""`make simulate`: many rollouts of every scene at every rate of traffic, as a table and plots in .geometry/simulate.

The same parts as the small tests. A run ends with the rollout; one that holds goes on to the policy's deadline of a
day, so a scene at a quiet rate takes minutes.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from registry.domain.policy import RolloutPolicy
from tests.statistics import labels
from tests.statistics.plots import draw
from tests.statistics.reference import ROWS, shares
from tests.statistics.scenes import (
    ERRORS_4,
    ERRORS_50,
    HARSH,
    LONG,
    NOISY,
    ONE_STEP,
    SHIPPED,
    SLOW_10,
    at,
    unacceptable,
)
from tests.statistics.service import DAY, HEALTHY, Course, Scene, courses, share

RATES = (60, 600, 6000, 60000)
LATE = {"a minute": 60.0, "an hour": 3600.0, "a day": DAY}
PROMISES = {"alpha": "goes back", "beta": "passes a step"}


@dataclass(frozen=True)
class Case:
    """One row of the table. promise: what of it is at most .05: `alpha` its rollbacks, `beta` its passing a step.

    guarded: until its rollback window ends. tenth: a tenth of the runs, as each is long.
    """

    name: str
    scene: Scene
    policy: RolloutPolicy = SHIPPED
    promise: str = ""
    seconds: float = DAY + 120
    guarded: bool = False
    tenth: bool = False


@dataclass(frozen=True)
class Result:
    """Shares of runs, and medians. damage: canary errors, of a canary that turns bad those after that."""

    name: str
    per_minute: int
    runs: int
    promoted: float
    back: float
    expired: float
    passed: float
    void: float
    minutes: float
    ninetieth: float
    damage: float
    answers: float
    promise: str


def cases() -> Iterator[Case]:
    """Every row at one rate of traffic."""
    yield Case("healthy", Scene(0), promise="alpha")
    yield Case("healthy, guarded to the end", Scene(0), promise="alpha", guarded=True)
    yield Case("noisy, both alike", Scene(0, stable=NOISY), promise="alpha")
    yield Case("healthy, 60 % junk for both", Scene(0, junk=0.6), promise="alpha")
    yield Case("healthy; restarts, bursts, days, junk", HARSH, promise="alpha")
    yield Case("errors 4 %", Scene(0, worse=ERRORS_4), promise="beta")
    # In a burst the stable fails in 5 %: 4 % more is not ten times that, and may pass a step; 50 % at every moment is.
    yield Case("errors 4 %; restarts, bursts, days, junk", replace(HARSH, worse=ERRORS_4))
    yield Case("errors 50 %; restarts, bursts, days, junk", replace(HARSH, worse=ERRORS_50), promise="beta")
    yield Case("slow answers 10 %", Scene(0, worse=SLOW_10))
    yield Case("crashes 20 times an hour", Scene(0, restarts=(0, 20)))
    yield Case("half of all requests go past the route", Scene(0, split=2.0), promise="beta", seconds=7200)
    for name, told in (("errors", "errors"), ("refused", "refusals"), ("low", "low confidence")):
        yield Case(f"{told} at the edge", unacceptable(name, SHIPPED, per_minute=0), promise="beta", seconds=14400)
    for name, told in (("errors", "errors"), ("slow", "slow answers")):
        scene = unacceptable(name, ONE_STEP, per_minute=0)
        yield Case(f"{told} at the edge, one step at 50 %", scene, ONE_STEP, promise="beta", seconds=14400)
    for told, after in LATE.items():
        late = Scene(0, worse=ERRORS_4, after=after)
        yield Case(f"errors 4 % after {told}", late, LONG, seconds=after + 2 * DAY, tenth=True)


def measure(case: Case, per_minute: int, runs: int, seed: int) -> Result:
    """One row. A turn is a minute where little happens in one, so that quiet days do not take days."""
    runs = max(runs // 10, 20) if case.tenth else runs
    turn = 60.0 if per_minute <= 600 or case.tenth else 10.0
    found = courses(
        at(per_minute, case.scene), case.policy, runs=runs, seed=seed, seconds=case.seconds, turn=turn,
        guarded=case.guarded,
    )  # fmt: skip
    late = case.scene.after > 0
    minutes = sorted((course.since.get("seconds", 0.0) if late else course.seconds) / 60 for course in found)
    return Result(
        name=case.name,
        per_minute=per_minute,
        runs=runs,
        promoted=share(found, "promoted"),
        back=share(found, "rolled_back", "returned"),
        expired=share(found, "expired", "undecided"),
        passed=sum(course.passed > 0 for course in found) / runs,
        void=sum("requests do not follow the route" in course.errors for course in found) / runs,
        minutes=median(minutes),
        ninetieth=minutes[int(0.9 * (runs - 1))],
        damage=median(_damage(course, late=late) for course in found),
        answers=median(course.since.get("requests", 0.0) if late else course.answers for course in found),
        promise=case.promise,
    )


def _damage(course: Course, *, late: bool) -> float:
    return course.since.get("errors", 0.0) if late else course.damage


def table(results: Sequence[Result]) -> str:
    """As Markdown."""
    lines = [
        "| scene | requests/min | runs | promoted | goes back | holds or expires | passes a step | split void "
        "| minutes (median, 90 %) | canary errors | canary answers | promise |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        promised = f"{PROMISES[result.promise]} ≤ .05: {'kept' if kept(result) else 'BROKEN'}" if result.promise else ""
        lines.append(
            f"| {result.name} | {result.per_minute} | {result.runs} | {result.promoted:.3f} | {result.back:.3f} "
            f"| {result.expired:.3f} | {result.passed:.3f} | {result.void:.3f} | {result.minutes:.1f}, "
            f"{result.ninetieth:.1f} | {result.damage:g} | {result.answers:.0f} | {promised} |"
        )
    return "\n".join(lines) + "\n"


def kept(result: Result) -> bool:
    """Whether the share that is promised is one that a judge who keeps .05 shows in 999 of 1,000 seeds."""
    got = result.back if result.promise == "alpha" else result.passed
    return not result.promise or got <= 0.05 + 3 * (0.05 * 0.95 / result.runs) ** 0.5


def reference(runs: int) -> tuple[str, bool]:
    """The e-process column beside the independent one; whether all differ by ≤ .02."""
    lines = ["| stable / canary | goes back (independent) | promoted (independent) |", "|---|---|---|"]
    close = True
    for place, row in enumerate(ROWS):
        back, promoted = shares(row, runs=runs, seed=place)
        close &= abs(back - row.back) <= 0.02 and abs(promoted - row.promoted) <= 0.02
        lines.append(f"| {row.name} | {back:.3f} ({row.back:.3f}) | {promoted:.3f} ({row.promoted:.3f}) |")
    return "\n".join(lines) + "\n", close


def figures(runs: int) -> Iterator[tuple[str, bool]]:
    """The figures that the judge was built for: errors alone, four default steps."""
    plenty = courses(Scene(6000), SHIPPED, runs=runs, seed=1, seconds=900, turn=5)
    got = share(plenty, "promoted")
    yield f".1 % / .1 % at 6,000/min is promoted in ≤ 15 min: {got:.3f} (wanted ≥ .95)", got >= 0.95
    bad = courses(Scene(6000, worse=replace(HEALTHY, errors=0.04)), SHIPPED, runs=runs, seed=2, seconds=DAY, turn=1)
    got, errors = share(bad, "rolled_back"), median(course.damage for course in bad)
    yield (
        f"4 % / .1 % goes back: {got:.3f} (wanted ≥ .99), median {errors:g} errors (wanted ≤ 10)",
        (got >= 0.99 and errors <= 10),
    )
    modest = courses(Scene(600), SHIPPED, runs=runs, seed=3, seconds=7200, turn=10)
    got = share(modest, "promoted")
    yield f".1 % / .1 % at 600/min is promoted in ≤ 2 h: {got:.3f} (wanted ≥ .90)", got >= 0.90


def main() -> int:
    """Returns 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.statistics.simulate", description=__doc__)
    parser.add_argument("--runs", type=int, default=400, help="Rollouts of each row (default: 400).")
    parser.add_argument("--scene", default="", help="Only scenes whose name has these words.")
    parser.add_argument("--output", type=Path, default=Path(".geometry/simulate"))
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows = [(case, rate) for rate in RATES for case in cases() if given.scene in case.name]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        futures = [pool.submit(measure, case, rate, given.runs, seed) for seed, (case, rate) in enumerate(rows)]
        paired = [pool.submit(labels.measure, row, runs=given.runs, seed=n) for n, row in enumerate(labels.ROWS)]
        results = []
        for (case, rate), future in zip(rows, futures, strict=True):
            results.append(future.result())
            print(f"{time.monotonic() - began:6.0f} s  {rate}/min  {case.name}", file=sys.stderr, flush=True)
        labelled = [future.result() for future in paired]
    results.sort(key=lambda result: [case.name for case in cases()].index(result.name))
    compared, close = reference(20 * given.runs)
    built_for = list(figures(given.runs))
    text = "\n".join([table(results), compared, labels.table(labelled), *(f"- {line}" for line, _ in built_for), ""])
    (given.output / "table.md").write_text(text)
    (given.output / "results.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    draw(results, given.output)
    print(text)
    print(f"{given.output}: table.md, results.json and plots, in {time.monotonic() - began:.0f} s", file=sys.stderr)
    judged = all(map(kept, results)) and all(result.kept for result in labelled)
    return 0 if judged and close and all(good for _, good in built_for) else 1


if __name__ == "__main__":
    sys.exit(main())
