"""What the judge looks at, as a table: one row a signal, with what it may do to a canary.

A rollout's plan names the rows that it is judged by, so that the journal's older rollouts are judged as they began.
"""

from dataclasses import dataclass

ERRORS, LATENCY, REFUSED, LOW_CONFIDENCE, RESTARTS = "errors", "latency", "refused", "low_confidence", "restarts"
LABELS, AGREEMENT = "labels", "agreement"
"""Of pairs: what canary and stable said to the same image. Judged where a plan mirrors requests."""
RATIO = "ratio"
"""Not a row: the share of requests that reached the canary, tested against the route. It makes the evidence void."""

LATENCY_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper edges, in seconds, that predictors count their good answers by; an SLO is judged at one of them."""


@dataclass(frozen=True)
class Signal:
    """bad: what its bad events are called. exposed: what could have been bad, counted in steps of 1/unit.

    rolls_back: evidence of harm returns the canary. blocks: without evidence of health nothing advances. alone: there
    is nothing of the stable to compare with, so that harm is a rate above the floor.
    """

    name: str
    bad: str
    exposed: str
    rolls_back: bool
    blocks: bool
    unit: int = 1
    alone: bool = False


SIGNALS = {
    signal.name: signal
    for signal in (
        Signal(ERRORS, "errors", "answers", rolls_back=True, blocks=True),
        Signal(LATENCY, "slow answers", "answers", rolls_back=True, blocks=True),
        Signal(REFUSED, "refused requests", "requests", rolls_back=False, blocks=True),
        Signal(LOW_CONFIDENCE, "images of low confidence", "images", rolls_back=False, blocks=True),
        Signal(RESTARTS, "restarts", "pod-seconds", rolls_back=True, blocks=False, unit=1000),
        Signal(LABELS, "lone mistakes", "labelled pairs", rolls_back=True, blocks=False),
        Signal(AGREEMENT, "disagreements", "pairs", rolls_back=True, blocks=False, alone=True),
    )
}


def edge_of(seconds: float) -> float:
    """The edge at which an SLO of `seconds` is judged: the highest that is not laxer, the lowest one below them all."""
    return max((edge for edge in LATENCY_EDGES if edge <= seconds), default=LATENCY_EDGES[0])
