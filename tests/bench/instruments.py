"""What metrics take of a prediction, beside the prediction itself: in one process, call by call, without a server."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from statistics import median

from predictor.classifier import Classifier
from predictor.image import decode
from predictor.metrics import Metrics
from predictor.query import Predictions, Query
from predictor.served import open_version
from tests.bench.nets import Nets
from tests.bench.stand import Stand

CALLS = 400  # a round


@dataclass(frozen=True)
class Instruments:
    """Figures, in seconds per image, medians of calls in turn: `measuring` its features, `counting` an answer, and
    `path`, which is decoding and the net."""

    model: str

    servers = ()

    def prepare(self, stand: Stand) -> None:
        """Load the net."""
        _bench(stand.nets, self.model)

    def run(self, stand: Stand, *, round_: int, scale: float) -> Mapping[str, float]:
        steps = _bench(stand.nets, self.model)
        took: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(max(1, round(CALLS * scale))):
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                took[name].append(time.perf_counter() - start)
        return {name: median(seconds) for name, seconds in took.items()}


@cache
def _bench(nets: Nets, model: str) -> Mapping[str, Callable[[], object]]:
    served = open_version(nets.version(model), nets.trust, model=None, digest=None)
    side = served.card.input.width
    picture = nets.pictures(64 if model == "custom" else 256)[0]
    net = Classifier(served.net, input=served.card.input, classes=len(served.classes), interpreters=1)
    metrics, query = Metrics(served), Query([picture])
    images = decode(picture, width=side, height=side)[None]
    predictions = Predictions.of(net.classify(images), metrics.measured(query, images))
    return {
        "path": lambda: net.classify(decode(picture, width=side, height=side)[None]),
        "measuring": lambda: metrics.measured(query, images),
        "counting": lambda: metrics._tallies["live"].answered(predictions, seconds=0.001, low=0.5),
    }
