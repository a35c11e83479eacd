"""What `/metrics/summary` tells a person: the counts of the pod in one JSON document."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from predictor.tally import LATENCY_EDGES, Histogram, Tally
from registry.domain.features import NAMES

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def summarise(tally: Tally, classes: Sequence[str]) -> dict[str, object]:
    """Counts since the pod's start; means and latency (seconds) are None while there is nothing to take them of.

    Latencies are estimates from the histogram's buckets, the same that PromQL's histogram_quantile makes.
    """
    images = tally.images
    return {
        "requests": int(tally.requests),
        "images": int(images),
        "classes": dict(zip(classes, map(int, tally.classes), strict=True)),
        "mean_confidence": tally.confidence_sum / images if images else None,
        "low_confidence": int(tally.low_confidence),
        "mean_inputs": {name: _mean(found) for name, found in zip(NAMES, tally.features, strict=False)},
        "errors": {reason: int(count) for reason, count in tally.errors.items()},
        "shed": int(tally.turned_away),
        "latency": latencies(tally.latency),
    }


def _mean(found: Histogram) -> float | None:
    observed = sum(found.counts)
    return found.sum / observed if observed else None


def latencies(counts: Sequence[float]) -> Mapping[str, float | None]:
    """The quantiles of answers counted per latency bucket, in seconds."""
    return {name: quantile(LATENCY_EDGES, counts, share) for name, share in QUANTILES.items()}


def quantile(edges: Sequence[float], counts: Sequence[float], share: float) -> float | None:
    """The value that `share` of the observations do not exceed, taken to lie evenly between a bucket's edges.

    Above the last edge it is that edge; None when there are no observations.
    """
    running = [0.0, *accumulate(counts)]
    rank = share * running[-1]
    if not running[-1]:
        return None
    place = next(place for place, upto in enumerate(running[1:]) if upto >= rank)
    if place == len(edges):
        return edges[-1]
    lower = edges[place - 1] if place else 0.0
    return lower + (edges[place] - lower) * (rank - running[place]) / counts[place]
