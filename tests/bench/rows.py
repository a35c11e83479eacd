"""The table: which measurements stand side by side in a round, what a row makes of them, and its goal.

Cases of a group are measured next to each other in every round, in an order shuffled anew, and in several turns where a
ratio is close to its goal, so that a drift of the machine meets both sides of it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from registry.domain.card import Slo
from tests.bench.cases import Case, Figures, FirstAnswer, Forward, Installed, Load, Memory, Overload
from tests.bench.instruments import Instruments
from tests.bench.size import SERVING, USUAL
from tests.bench.statistics import Goal

Round = Mapping[str, Figures]
"""Case → its figures in one round."""

MANY_ROUNDS, ROUNDS = 20, 7
BUDGET = 5 * Slo().latency_seconds
"""Seconds a request may wait in our queue, by default: five times the latency objective of the version's card."""


@dataclass(frozen=True)
class Row:
    """One line. value: of one round. unit: what it is written in. goal: None when the line only informs."""

    title: str
    value: Callable[[Round], float]
    goal: Goal | None
    unit: str = "×"


@dataclass(frozen=True)
class Group:
    """Cases measured together, and the rows that come of them. turns: in so many parts each case of a round is run."""

    name: str
    cases: Mapping[str, Case]
    rows: tuple[Row, ...]
    rounds: int = ROUNDS
    turns: int = 1


def over(figure: str, above: str, below: str, other: str = "") -> Callable[[Round], float]:
    """A figure of one case divided by that (or another) of a second case; not a number when that is nothing."""
    return lambda found: found[above][figure] / (found[below][other or figure] or math.nan)


def of(case: str, figure: str, times: float = 1.0) -> Callable[[Round], float]:
    return lambda found: found[case][figure] * times


def at_least(bound: float) -> Goal:
    return Goal("≥", bound)


def at_most(bound: float) -> Goal:
    return Goal("≤", bound)


def against_naive(name: str, title: str, form: str, connections: int, goal: float) -> Group:
    cases = {server: Load(server, form, connections, seconds=1) for server in ("ours", "naive")}
    title = f"{title}, c={connections}, vs naive KServe"
    return Group(name, cases, (Row(title, over("rate", "ours", "naive"), at_least(goal)),), 2 * ROUNDS)


def poisson(rate: int, seconds: float) -> Group:
    """Many short rounds: a moment in which the machine stood still spoils the p99 of one, and no median."""
    cases = {server: Load(server, seconds=seconds, rate=rate) for server in ("ours", "granian")}
    row = Row(f"p99 at Poisson {rate} req/s vs granian", over("p99", "ours", "granian"), Goal("≤", 1.10, "high"))
    return Group(f"poisson{rate}", cases, (row,), 3 * MANY_ROUNDS)


GROUPS: tuple[Group, ...] = (
    Group(
        "granian",
        {"ours": Load("ours", seconds=4), "granian": Load("granian", seconds=4)},
        (
            Row("one 64-px JPEG, v1 base64, c=64, vs granian", over("rate", "ours", "granian"), Goal("≥", 0.97, "low")),
            Row("CPU per request vs granian's", over("cpu", "ours", "granian"), None),
        ),
        MANY_ROUNDS,
        turns=8,
    ),
    poisson(150, 3),
    poisson(450, 2),
    Group(
        "latency",
        {"ours": Load("ours", connections=1, seconds=1), "bare": Forward(processes=1, decoding=True, seconds=1)},
        (
            Row("p50 at c=1 ÷ (decode + forward)", over("p50", "ours", "bare", "image"), at_most(1.4)),
            Row("p99 ÷ p50 at c=1", over("p99", "ours", "ours", "p50"), at_most(2)),
        ),
        MANY_ROUNDS,
    ),
    Group(
        "naive",
        {"ours": Load("ours"), "naive": Load("naive")},
        (Row("one 64-px JPEG, v1 base64, c=64, vs naive KServe", over("rate", "ours", "naive"), at_least(3.0)),),
    ),
    against_naive("nested", "v1 nested list", "nested", 8, 7),
    against_naive("v2json", "v2 JSON", "v2_json", 8, 3.5),
    against_naive("v2binary", "v2 binary FP32", "v2_binary", 64, 10),
    against_naive("grpc", "gRPC FP32", "grpc", 64, 1.8),
    Group(
        "plain",
        {"ours": Load("ours"), "plain": Load("plain", seconds=5)},
        (Row("one 64-px JPEG, v1 base64, c=64, vs the plain way", over("rate", "ours", "plain"), at_least(100)),),
    ),
    Group(
        "ceiling",
        {"ours": Load("ours"), "many": Load("ours", "jpegs", 8), "ceiling": Forward()},
        (
            Row(
                "share of the forward-only ceiling: single JPEGs, c=64", over("rate", "ours", "ceiling"), at_least(0.75)
            ),
            Row("share of the ceiling: 32 JPEGs a request, c=8", over("rate", "many", "ceiling"), at_least(0.85)),
        ),
        MANY_ROUNDS,
    ),
    Group(
        "efficientnet",
        {"ours": Load("efficientnet", "large_jpeg", 16), "ceiling": Forward("efficientnet")},
        (Row("share of the ceiling: EfficientNetB0, c=16", over("rate", "ours", "ceiling"), at_least(0.85)),),
        MANY_ROUNDS,
    ),
    Group(
        "liveness",
        {"ours": Load("ours", seconds=5, probing=True)},
        (Row("liveness p99 while c=64 predicts", of("ours", "alive", 1e3), at_most(50), "ms"),),
    ),
    Group(
        "int8",
        {"int8": Load("int8"), "ours": Load("ours")},
        (Row("int8 variant vs own FP32, c=64", over("rate", "int8", "ours"), at_least(1.9)),),
    ),
    Group(
        "metrics",
        {"ours": Load("ours", seconds=4), "unmetered": Load("unmetered", seconds=4)},
        (Row("CPU per request with metrics ÷ without", over("cpu", "ours", "unmetered"), at_most(1.08)),),
        MANY_ROUNDS,
        turns=8,
    ),
    Group(
        "features",
        {"custom": Instruments("custom"), "efficientnet": Instruments("efficientnet")},
        (
            Row("counting an answer of one image", of("custom", "counting", 1e6), at_most(5), "µs"),
            Row("measuring its features", of("custom", "measuring", 1e6), None, "µs"),
            Row("measuring ÷ (decode + forward)", over("measuring", "custom", "custom", "path"), at_most(0.01)),
            Row("the same, EfficientNetB0", over("measuring", "efficientnet", "efficientnet", "path"), at_most(0.01)),
        ),
    ),
    Group(
        "overload",
        {"ours": Overload("ours")},
        (
            Row("2× capacity offered: goodput ÷ capacity", of("ours", "goodput"), at_least(0.9)),
            Row("p99 of accepted ÷ queue budget", of("ours", "p99", 1 / BUDGET), at_most(2)),
            Row("p99 of refusals", of("ours", "refused", 1e3), at_most(50), "ms"),
            Row("liveness p99 meanwhile", of("ours", "alive", 1e3), None, "ms"),
        ),
        2 * MANY_ROUNDS,
    ),
    Group(
        "start",
        {"ours": FirstAnswer("ours"), "naive": FirstAnswer("naive")},
        (Row("start → first answer vs naive KServe", over("seconds", "ours", "naive"), at_most(0.6)),),
    ),
    Group(
        "memory",
        {"ours": Memory("ours"), "naive": Memory("naive of two")},
        (Row("PSS of 2 processes vs naive KServe's", over("mib", "ours", "naive"), at_most(0.65)),),
        6,
    ),
    Group(
        "size",
        {"ours": Installed(SERVING), "usual": Installed(USUAL)},
        (Row("site-packages vs kserve+tensorflow-cpu", over("megabytes", "ours", "usual"), at_most(0.22)),),
        1,
    ),
)
