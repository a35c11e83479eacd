"""What monitoring and the judge see of a pod: the design's names, every child present from the first scrape on.

The processes of a pod count in shared memory and each answers for all of them, so that it does not matter which one is
asked. Label values are the version's own and closed sets; nothing a client sends becomes one.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import prometheus_client.exposition as prometheus
import prometheus_client.openmetrics.exposition as openmetrics
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from predictor.counters import Counters
from predictor.decoding import Decoded, features
from predictor.footprint import open_descriptors, resident_bytes
from predictor.outcomes import Outcomes
from predictor.query import Features, Predictions
from predictor.served import Served
from predictor.summary import summarise
from predictor.tally import CONFIDENCE_EDGES, LATENCY_EDGES, TRAFFIC, Layout, Tally, cumulated
from predictor.tally import Traffic as Traffic
from registry.domain.card import Slo
from registry.domain.documents import timestamp
from registry.domain.features import NAMES, every_edges
from registry.domain.signals import edge_of

PREDICTIONS = "ml_geometry_predictions_total"
LATENCY = "ml_geometry_prediction_latency_seconds"
CONFIDENCE = "ml_geometry_prediction_confidence"
ERRORS = "ml_geometry_errors_total"
INPUT_FEATURE = "ml_geometry_input_feature"
LOW_CONFIDENCE = "ml_geometry_low_confidence_total"
SHED = "ml_geometry_shed_total"
INFLIGHT = "ml_geometry_inflight_requests"
QUEUE = "ml_geometry_queue_requests"
PROCESSES = "ml_geometry_processes"
RESTARTS = "ml_geometry_process_restarts_total"
MODEL_INFO = "ml_geometry_model_info"
AVAILABILITY = "ml_geometry_slo_availability_objective"
FAST = "ml_geometry_slo_latency_objective"

OPENMETRICS = "application/openmetrics-text"

# A slot: the process itself, then its tally of each kind of traffic.
_PID, _INFLIGHT, _QUEUE, _RESTARTS, _TALLIES = range(5)


class Metrics:
    """Counters of one served version, over all processes of the pod. Made before the fork.

    Worker processes attach to the slots 0 … processes-1; whoever made this object has one more to itself. All counting
    of a process is done on one thread.
    """

    def __init__(self, served: Served, *, processes: int = 1, clock: Callable[[], float] = time.time) -> None:
        self._served = served
        self._processes = processes
        self._clock = clock
        self._started = clock()
        self._low = served.card.low_confidence
        self._layout = Layout(len(served.classes), tuple(every_edges(served.card.reference.features).values()))
        self._counters = Counters(cells=_TALLIES + len(TRAFFIC) * self._layout.size, slots=processes + 1)
        self.outcomes = Outcomes(served.classes, rings=processes + 1)
        self._take(processes)

    def attach(self, process: int) -> None:
        """Count in this slot from now on: a predecessor's counters go on, what it had in flight or queued is gone."""
        self._take(process)

    def began(self) -> None:
        """A request came in."""
        self._cells[_INFLIGHT] += 1.0

    def ended(self) -> None:
        """A request that began is answered, or nobody waits for it any more."""
        self._cells[_INFLIGHT] -= 1.0

    def measured(self, decoded: Decoded) -> Sequence[Features]:
        """What `answered` is to count of images beside their predictions; on any thread."""
        return features(decoded)

    def answered(self, traffic: Traffic, predictions: Predictions, seconds: float, request_id: str) -> None:
        """Count a good answer, before it is written: one latency, and all that is known of each image."""
        self._tallies[traffic].answered(predictions, seconds=seconds, low=self._low)
        self.outcomes.add(traffic, predictions, request_id, self._clock())

    def refused(self, traffic: Traffic, reason: str) -> None:
        """Count an answer that is an error; reason: one of `errors.REASONS`."""
        self._tallies[traffic].refused(reason)

    def shed(self, traffic: Traffic) -> None:
        """Count a request that overload turned away, beside its error."""
        self._tallies[traffic].shed()

    def queue(self, requests: int) -> None:
        """Say how many wait in this process."""
        self._cells[_QUEUE] = requests

    def restarted(self) -> None:
        """Count a worker process that ended and was started again."""
        self._cells[_RESTARTS] += 1.0

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """What Prometheus scrapes, and its content type: OpenMetrics where the Accept header names it."""
        if OPENMETRICS in accept:
            content = openmetrics.generate_latest(self)  # type: ignore[no-untyped-call]  # untyped in its package
            return content, openmetrics.CONTENT_TYPE_LATEST
        return prometheus.generate_latest(self), prometheus.CONTENT_TYPE_PLAIN_0_0_4

    def summary(self) -> dict[str, object]:
        """The same counts for a person, of both kinds of traffic and of each."""
        total = self._counters.total()
        live, pinned = (self._tally(total, traffic) for traffic in TRAFFIC)
        classes = self._served.classes
        return {
            "model": self._served.model,
            "version": self._served.version,
            "digest": self._served.digest,
            "since": timestamp(datetime.fromtimestamp(self._started, UTC)),
            "in_flight": int(total[_INFLIGHT]),
            **summarise(live + pinned, classes),
            "traffic": {"live": summarise(live, classes), "pinned": summarise(pinned, classes)},
        }

    def collect(self) -> Iterator[Metric]:
        """One family a name, as prometheus_client asks for them."""
        total = self._counters.total()
        tallies = {traffic: self._tally(total, traffic) for traffic in TRAFFIC}
        yield from _traffic_families(self._served, tallies)
        yield from _pod_families(self._served, total)
        if self._served.card.slo is not None:
            yield from _objectives(self._served, self._served.card.slo)
        yield from self._process_families()

    def _take(self, slot: int) -> None:
        self._cells = self._counters.slot(slot)
        self._tallies = {traffic: self._tally(self._cells, traffic) for traffic in TRAFFIC}
        self.outcomes.attach(slot)
        self._cells[_INFLIGHT] = self._cells[_QUEUE] = 0.0
        self._cells[_PID] = os.getpid()

    def _tally(self, cells: "memoryview[float] | list[float]", traffic: Traffic) -> Tally:
        start = _TALLIES + TRAFFIC.index(traffic) * self._layout.size
        return Tally(cells[start : start + self._layout.size], self._layout)

    def _process_families(self) -> Iterator[Metric]:
        """The processes by what the system says of them; without /proc all that attached count as alive."""
        maker, *workers = (int(self._counters.slot(slot)[_PID]) for slot in range(self._processes, -1, -1))
        resident = {pid: resident_bytes(pid) for pid in {maker, *workers} - {0}}
        known = {pid: size for pid, size in resident.items() if size is not None}
        alive = [pid for pid in workers if pid in (known or resident)]
        labels = {"model": self._served.model, "version": self._served.version}
        yield _gauge(PROCESSES, "Worker processes that are attached and alive", len(alive), labels)
        yield _gauge("process_start_time_seconds", "Unix time at which the pod's first process started", self._started)
        if known:
            descriptors = sum(open_descriptors(pid) or 0 for pid in known)
            yield _gauge("process_resident_memory_bytes", "Resident memory of all processes", sum(known.values()))
            yield _gauge("process_open_fds", "Open descriptors of all processes", descriptors)


def _traffic_families(served: Served, tallies: Mapping[Traffic, Tally]) -> Iterator[Metric]:
    """What is counted of each kind of traffic."""

    def labels(*more: str) -> Sequence[str]:
        return ("model", "version", "traffic", *more)

    predictions = CounterMetricFamily(PREDICTIONS, "Classified images", labels=labels("class"))
    latency = HistogramMetricFamily(
        LATENCY, "Good answers: from the whole request here to the whole answer made", labels=labels()
    )
    confidence = HistogramMetricFamily(CONFIDENCE, "Top probability per image", labels=labels())
    inputs = HistogramMetricFamily(
        INPUT_FEATURE, "What was measured of each image, of its file or of its pixels", labels=labels("feature")
    )
    low = CounterMetricFamily(LOW_CONFIDENCE, "Images below the card's low_confidence", labels=labels())
    errors = CounterMetricFamily(ERRORS, "Requests without a good answer", labels=labels("reason"))
    shed = CounterMetricFamily(SHED, "Requests that overload turned away", labels=labels())
    for traffic, tally in tallies.items():
        own = (served.model, served.version, traffic)
        for name, count in zip(served.classes, tally.classes, strict=True):
            predictions.add_metric((*own, name), count)
        latency.add_metric(own, cumulated(LATENCY_EDGES, tally.latency), tally.latency_sum)
        confidence.add_metric(own, cumulated(CONFIDENCE_EDGES, tally.confidence), tally.confidence_sum)
        for name, found in zip(NAMES, tally.features, strict=True):
            inputs.add_metric((*own, name), cumulated(found.edges, found.counts), found.sum)
        low.add_metric(own, tally.low_confidence)
        for reason, count in tally.errors.items():
            errors.add_metric((*own, reason), count)
        shed.add_metric(own, tally.turned_away)
    yield from (predictions, latency, confidence, inputs, low, errors, shed)


def _pod_families(served: Served, total: Sequence[float]) -> Iterator[Metric]:
    """What the processes say of themselves, added up."""
    labels = {"model": served.model, "version": served.version}
    names, values = tuple(labels), tuple(labels.values())
    info = InfoMetricFamily(MODEL_INFO.removesuffix("_info"), "The version served here: always 1", labels=names)
    info.add_metric(values, {"digest": served.digest})
    restarts = CounterMetricFamily(RESTARTS, "Worker processes that ended and were started again", labels=names)
    restarts.add_metric(values, total[_RESTARTS])
    yield info
    yield restarts
    yield _gauge(INFLIGHT, "Requests being received or answered", total[_INFLIGHT], labels)
    yield _gauge(QUEUE, "Requests that wait to be classified", total[_QUEUE], labels)


def _objectives(served: Served, slo: Slo) -> Iterator[Metric]:
    """What the card promises. `le` of the second is the bucket of LATENCY that ends at its limit."""
    labels = {"model": served.model, "version": served.version}
    limit = floatToGoString(edge_of(slo.latency_seconds))  # type: ignore[no-untyped-call]  # untyped in its package
    yield _gauge(AVAILABILITY, "Share of answers that shall be no failure of ours", slo.availability, labels)
    yield _gauge(FAST, "Share of answers that shall take at most le", slo.latency_objective, {**labels, "le": limit})


def _gauge(name: str, help: str, value: float, labels: Mapping[str, str] = MappingProxyType({})) -> Metric:
    family = GaugeMetricFamily(name, help, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), value)
    return family
