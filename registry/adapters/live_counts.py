"""What a predictor counts of its live answers by class, confidence and input features: what drift is found from."""

import re
from collections.abc import Mapping
from itertools import pairwise

from registry.adapters.exposition import Labels, Samples, counts_by, edge_of, samples_of
from registry.domain.drift_counts import CONFIDENCE, FEATURES, Bins, LiveCounts
from registry.domain.errors import InvalidDocument

_CLASSES = "ml_geometry_predictions_total"
_CONFIDENCE = "ml_geometry_prediction_confidence_bucket"
_INPUTS = "ml_geometry_input_feature_bucket"
_ESCAPED = re.compile(r"\\(.)")


def parse_live(text: str, own: Labels, incarnation: str) -> Mapping[str, LiveCounts]:
    """Counts of the process with this incarnation. own: labels of its live traffic.

    Nothing where they are missing, malformed, or contradict each other: the judge's evidence does not wait for them,
    and drift waits for the next reading.
    """
    try:
        samples = samples_of(text, frozenset({_CLASSES, _CONFIDENCE, _INPUTS}))
        classes = {_plain(name): count for name, count in counts_by(samples, _CLASSES, own, "class").items()}
        if not classes:
            return {}
        found = {CONFIDENCE: _bins(samples, _CONFIDENCE, own)}
        found |= {name: _bins(samples, _INPUTS, own | {("feature", name)}) for name in FEATURES}
    except InvalidDocument:
        return {}
    return {incarnation: LiveCounts(classes, {name: bins for name, bins in found.items() if bins is not None})}


def _bins(samples: Samples, name: str, own: Labels) -> Bins | None:
    """Counts of each bucket alone; None where there is no such histogram. Raises InvalidDocument."""
    cumulated = sorted((edge_of(edge), count) for edge, count in counts_by(samples, name, own, "le").items())
    if not cumulated:
        return None
    counts = [cumulated[0][1], *(count - below for (_, below), (_, count) in pairwise(cumulated))]
    edges = tuple(edge for edge, _ in cumulated)
    if edges[-1] != float("inf") or min(counts) < 0:
        raise InvalidDocument(f"metrics: {name} does not rise up to +Inf")
    return Bins(edges[:-1], tuple(counts))


def _plain(label: str) -> str:
    """A label's value without its escapes."""
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], label)
