"""What monitoring and the judge see of this process: design names, every child present from the first scrape on.

One context manager around every request does all the counting, so that no protocol and no error path forgets it. Label
values are the version's own and closed sets; nothing a client sends becomes one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from predictor.classifier import Probabilities
from predictor.errors import INTERNAL, REASONS, ClientGone, PredictorError
from predictor.served import Served

PREDICTIONS = "ml_geometry_predictions_total"
LATENCY = "ml_geometry_prediction_latency_seconds"
CONFIDENCE = "ml_geometry_prediction_confidence"
ERRORS = "ml_geometry_errors_total"
LOW_CONFIDENCE = "ml_geometry_low_confidence_total"
INFLIGHT = "ml_geometry_inflight_requests"
MODEL_INFO = "ml_geometry_model_info"

Traffic = Literal["live", "pinned"]
TRAFFIC: tuple[Traffic, ...] = ("live", "pinned")

LATENCY_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
CONFIDENCE_EDGES = tuple(round(0.05 * step, 2) for step in range(1, 21))


class Received:
    """One request on its way. `complete()`: all of it is here, the latency's clock starts; `answered`: what it got."""

    def __init__(self) -> None:
        self.start = perf_counter()
        self.answered: Probabilities | None = None

    def complete(self) -> None:
        self.start = perf_counter()


@dataclass(frozen=True)
class _Children:
    """The children of one kind of traffic, looked up once: a lookup per request costs more than the counting."""

    predictions: tuple[Counter, ...]
    latency: Histogram
    confidence: Histogram
    low_confidence: Counter
    errors: dict[str, Counter]


class Metrics:
    """Counters of one served version."""

    def __init__(self, served: Served, registry: CollectorRegistry = REGISTRY) -> None:
        self._low = served.card.low_confidence
        version = {"model": served.model, "version": served.version}
        info = Gauge(MODEL_INFO, "The version served here: always 1", ("model", "version", "digest"), registry=registry)
        info.labels(**version, digest=served.digest).set(1)
        inflight = Gauge(INFLIGHT, "Requests being received or answered", ("model", "version"), registry=registry)
        self._inflight = inflight.labels(**version)
        self._children = _children(served, version, registry)

    @contextmanager
    def request(self, traffic: Traffic) -> Iterator[Received]:
        """Count what happens inside: good when it ends with an answer, an error with its reason when it raises.

        One latency observation a good answer, one prediction and one confidence an image. An error that is not ours is
        `internal`. A request whose client left or cancelled is neither.
        """
        children = self._children[traffic]
        received = Received()
        self._inflight.inc()
        try:
            yield received
        except ClientGone:
            raise
        except PredictorError as error:
            children.errors[error.reason].inc()
            raise
        except Exception:
            children.errors[INTERNAL].inc()
            raise
        else:
            if received.answered is not None:
                self._answered(children, received.answered, perf_counter() - received.start)
        finally:
            self._inflight.dec()

    def _answered(self, children: _Children, probabilities: Probabilities, seconds: float) -> None:
        children.latency.observe(seconds)
        for winner, confidence in zip(probabilities.argmax(1).tolist(), probabilities.max(1).tolist(), strict=True):
            children.predictions[winner].inc()
            children.confidence.observe(confidence)
            if confidence < self._low:
                children.low_confidence.inc()


def _children(served: Served, version: dict[str, str], registry: CollectorRegistry) -> dict[Traffic, _Children]:
    labels = ("model", "version", "traffic")
    predictions = Counter(PREDICTIONS, "Classified images", (*labels, "class"), registry=registry)
    latency = Histogram(
        LATENCY,
        "Good answers: from the whole request here to the whole answer made",
        labels,
        buckets=LATENCY_EDGES,
        registry=registry,
    )
    confidence = Histogram(CONFIDENCE, "Top probability per image", labels, buckets=CONFIDENCE_EDGES, registry=registry)
    low = Counter(LOW_CONFIDENCE, "Images below the card's low_confidence", labels, registry=registry)
    errors = Counter(ERRORS, "Requests without a good answer", (*labels, "reason"), registry=registry)
    return {
        traffic: _Children(
            predictions=tuple(
                predictions.labels(**version, traffic=traffic, **{"class": name}) for name in served.classes
            ),
            latency=latency.labels(**version, traffic=traffic),
            confidence=confidence.labels(**version, traffic=traffic),
            low_confidence=low.labels(**version, traffic=traffic),
            errors={reason: errors.labels(**version, traffic=traffic, reason=reason) for reason in REASONS},
        )
        for traffic in TRAFFIC
    }
