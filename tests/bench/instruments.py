"""What metrics take of a prediction, beside the prediction itself: in one process, without a server.

Steps come ten times in a row, as in a turn of a busy engine, so that the first of them pays for what the net has left
of the processor's caches. An idle engine's single request pays in full: that is in the latency at one connection.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from statistics import median

from predictor.classifier import Classifier
from predictor.decoding import decoded, features
from predictor.metrics import Metrics
from predictor.query import Predictions, Query
from predictor.served import open_version
from tests.bench.cases import Averaged
from tests.bench.nets import Nets
from tests.bench.stand import Stand

TURNS, CALLS = 100, 10  # a round, and in each


@dataclass(frozen=True)
class Instruments(Averaged):
    """Figures, in seconds per image, medians of turns: `measuring` its features, `counting` an answer, and `path`,
    which is decoding and the net."""

    model: str

    servers = ()

    def prepare(self, stand: Stand) -> None:
        """Load the net."""
        _bench(stand.nets, self.model)

    def run(self, stand: Stand, *, seed: int, scale: float) -> Mapping[str, float]:
        steps = _bench(stand.nets, self.model)
        took: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(max(1, round(TURNS * scale))):
            for name, step in steps.items():
                start = time.perf_counter()
                for _ in range(CALLS):
                    step()
                took[name].append((time.perf_counter() - start) / CALLS)
        return {name: median(seconds) for name, seconds in took.items()}


@cache
def _bench(nets: Nets, model: str) -> Mapping[str, Callable[[], object]]:
    served = open_version(nets.version(model), nets.trust, model=None, digest=None)
    picture = nets.pictures(64 if model == "custom" else 256)[0]
    net = Classifier(served.net, input=served.card.input, classes=len(served.classes), interpreters=1)
    metrics, limits = Metrics(served), 256 * 256
    found = decoded(Query([picture]), served.card.input, max_pixels=limits)
    predictions = Predictions.of(net.classify(found.images), features(found))
    tally = metrics._tallies["live"]
    return {
        "path": lambda: net.classify(decoded(Query([picture]), served.card.input, max_pixels=limits).images),
        "measuring": lambda: features(found),
        "counting": lambda: tally.answered(predictions, seconds=0.001, low=0.5),
    }
