import dataclasses
import os
import random
import signal
import socket
from collections.abc import Sequence

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from predictor import metrics
from predictor.decoding import decoded
from predictor.errors import REASONS
from predictor.image import decode_file
from predictor.metrics import Metrics
from predictor.query import Image, Pixels, Predictions, Query
from predictor.served import Served
from registry.adapters.monitoring import parse_predictor
from registry.domain.card import InputSpec
from registry.domain.features import DEFAULT_EDGES, NAMES, measure
from tests.predictor.forks import fork, forked

OWN = {"model": "shapes", "version": "1"}
TENSOR, FILE = (120.0, 30.0, 1.25), (90.0, 20.0, 1.5, 4 / 3, 2500.0)
ONE = Predictions.of(np.eye(8, dtype=np.float32)[[2]], [FILE])
MANY = Predictions.of(np.eye(8, dtype=np.float32)[[2, 2, 5]], [FILE, TENSOR, FILE])

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def counted(served: Served) -> Metrics:
    counted = Metrics(served, processes=2)
    counted.attach(0)
    return counted


def scrape(counted: Metrics) -> Samples:
    families = text_string_to_metric_families(counted.text()[0].decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(counted: Metrics, name: str, **labels: str) -> float:
    return scrape(counted)[name, frozenset({**OWN, **labels}.items())]


def increasing(samples: Samples) -> Samples:
    """Counters and the parts of histograms."""
    return {key: value for key, value in samples.items() if key[0].endswith(("_total", "_bucket", "_count", "_sum"))}


def test_names_types_and_labels_are_those_of_the_design(counted: Metrics) -> None:
    families = {family.name: family for family in text_string_to_metric_families(counted.text()[0].decode())}
    own, traffic = {"model", "version"}, {"model", "version", "traffic"}
    wanted = {
        "ml_geometry_predictions": ("counter", traffic | {"class"}),
        "ml_geometry_prediction_latency_seconds": ("histogram", traffic),
        "ml_geometry_prediction_confidence": ("histogram", traffic),
        "ml_geometry_input_feature": ("histogram", traffic | {"feature"}),
        "ml_geometry_errors": ("counter", traffic | {"reason"}),
        "ml_geometry_low_confidence": ("counter", traffic),
        "ml_geometry_shed": ("counter", traffic),
        "ml_geometry_inflight_requests": ("gauge", own),
        "ml_geometry_queue_requests": ("gauge", own),
        "ml_geometry_model_info": ("gauge", own | {"digest"}),
        "ml_geometry_slo_availability_objective": ("gauge", own),
        "ml_geometry_slo_latency_objective": ("gauge", own),
        "ml_geometry_processes": ("gauge", own),
        "ml_geometry_process_restarts": ("counter", own),
        "process_start_time_seconds": ("gauge", set()),
        "process_resident_memory_bytes": ("gauge", set()),
        "process_open_fds": ("gauge", set()),
    }
    found = {name: (family.type, set(family.samples[0].labels) - {"le"}) for name, family in families.items()}
    assert found == wanted


def test_every_child_is_there_before_the_first_request(counted: Metrics, served: Served) -> None:
    found = scrape(counted)
    for traffic in ("live", "pinned"):
        own = frozenset({**OWN, "traffic": traffic}.items())
        for name in served.classes:
            assert found[metrics.PREDICTIONS, own | {("class", name)}] == 0
        for reason in REASONS:
            assert found[metrics.ERRORS, own | {("reason", reason)}] == 0
        for name in (f"{metrics.LATENCY}_count", f"{metrics.CONFIDENCE}_count", metrics.LOW_CONFIDENCE, metrics.SHED):
            assert found[name, own] == 0
        for name in NAMES:
            assert found[f"{metrics.INPUT_FEATURE}_count", own | {("feature", name)}] == 0
    assert found[metrics.MODEL_INFO, frozenset({**OWN, "digest": served.digest}.items())] == 1


def test_the_limit_of_the_card_is_a_bucket_of_the_latency(counted: Metrics) -> None:
    found = scrape(counted)
    assert found[metrics.FAST, frozenset({**OWN, "le": "0.1"}.items())] == 0.99
    assert (f"{metrics.LATENCY}_bucket", frozenset({**OWN, "traffic": "live", "le": "0.1"}.items())) in found


def test_a_card_without_objectives_promises_nothing(served: Served) -> None:
    silent = dataclasses.replace(served, card=dataclasses.replace(served.card, slo=None))
    assert not [name for name, _ in scrape(Metrics(silent)) if "_slo_" in name]


def test_nothing_that_happens_adds_a_series(counted: Metrics) -> None:
    before = scrape(counted).keys()
    counted.answered("live", MANY, 3.0, "x")
    counted.refused("pinned", "too_large")
    assert scrape(counted).keys() == before


@pytest.mark.parametrize(
    ("name", "edges"),
    [
        (metrics.LATENCY, [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]),
        (metrics.CONFIDENCE, [pytest.approx(0.05 * step) for step in range(1, 21)]),
    ],
)
def test_the_edges_are_those_of_the_design(counted: Metrics, name: str, edges: list[float]) -> None:
    found = {dict(labels)["le"] for sample, labels in scrape(counted) if sample == f"{name}_bucket"}
    assert sorted(map(float, found)) == [*edges, float("inf")]


def test_a_pod_has_at_most_400_series_whatever_the_edges_of_the_card(served: Served) -> None:
    own = {name: (tuple(map(float, range(13))), (1,) * 12) for name in NAMES}
    reference = dataclasses.replace(served.card.reference, features=own)
    card = dataclasses.replace(served.card, reference=reference)
    assert len(scrape(Metrics(dataclasses.replace(served, card=card), processes=4))) <= 400
    assert len(scrape(Metrics(served, processes=4))) <= 400


def test_features_are_counted_between_the_edges_of_the_card_else_the_default_ones(served: Served) -> None:
    own = {"brightness": ((0.0, 80.0, 90.0, 255.0), (1, 2, 3))}
    reference = dataclasses.replace(served.card.reference, features=own)
    counted = Metrics(dataclasses.replace(served, card=dataclasses.replace(served.card, reference=reference)))
    counted.answered("live", MANY, 0.02, "x")
    bucket = f"{metrics.INPUT_FEATURE}_bucket"
    found = {
        name: [
            (float(dict(labels)["le"]), count)
            for (sample, labels), count in scrape(counted).items()
            if sample == bucket and {("feature", name), ("traffic", "live")} <= labels
        ]
        for name in NAMES
    }
    assert sorted(found["brightness"]) == [(80, 0), (90, 2), (float("inf"), 3)]
    assert [edge for edge, _ in sorted(found["aspect"])] == [*DEFAULT_EDGES["aspect"][1:-1], float("inf")]


def test_aspect_and_size_are_of_files_alone(counted: Metrics) -> None:
    counted.answered("live", MANY, 0.02, "x")
    counts = {name: value(counted, f"{metrics.INPUT_FEATURE}_count", traffic="live", feature=name) for name in NAMES}
    assert counts == {"brightness": 3, "contrast": 3, "edge_density": 3, "aspect": 2, "size_bytes": 2}
    assert value(counted, f"{metrics.INPUT_FEATURE}_sum", traffic="live", feature="size_bytes") == 5000


def test_a_query_is_measured_as_training_measures(counted: Metrics, png: bytes) -> None:
    pixels, file = decode_file(png, width=64, height=64)
    (row,) = measure(pixels[None])

    def measured(images: Sequence[Image] | Pixels) -> list[tuple[float, ...]]:
        return list(counted.measured(decoded(Query(images), InputSpec(64, 64), max_pixels=64 * 64)))

    assert measured([png]) == [(*row, *file)]
    assert measured([png, pixels]) == [(*row, *file), row]
    assert measured(pixels[None]) == [row]


def test_a_request_of_many_images_is_one_good_answer(counted: Metrics) -> None:
    counted.answered("live", MANY, 0.02, "x")
    assert value(counted, f"{metrics.LATENCY}_count", traffic="live") == 1
    assert value(counted, f"{metrics.LATENCY}_sum", traffic="live") == pytest.approx(0.02)
    assert value(counted, f"{metrics.CONFIDENCE}_count", traffic="live") == 3
    assert value(counted, metrics.PREDICTIONS, traffic="live", **{"class": "triangle"}) == 2
    assert value(counted, metrics.LOW_CONFIDENCE, traffic="live") == 0
    assert [one["index"] for one in counted.outcomes.read(None, 0)["outcomes"]] == [0, 1, 2]


def test_confidence_below_the_cards_value_is_low(counted: Metrics) -> None:
    counted.answered("live", Predictions.of(np.full((1, 8), 1 / 8, np.float32)), 0.02, "x")
    assert value(counted, metrics.LOW_CONFIDENCE, traffic="live") == 1


def test_an_error_is_no_good_answer_and_counts_where_it_belongs(counted: Metrics) -> None:
    before = scrape(counted)
    counted.refused("pinned", "overloaded")
    counted.shed("pinned")
    changed = {key for key, count in increasing(scrape(counted)).items() if count != before[key]}
    own = frozenset({**OWN, "traffic": "pinned"}.items())
    assert changed == {(metrics.ERRORS, own | {("reason", "overloaded")}), (metrics.SHED, own)}


def test_a_successor_goes_on_with_the_counters_and_without_what_was_in_flight(counted: Metrics) -> None:
    counted.answered("live", ONE, 0.02, "x")
    counted.began()
    counted.queue(7)
    assert (value(counted, metrics.INFLIGHT), value(counted, metrics.QUEUE)) == (1, 7)
    counted.attach(0)
    assert (value(counted, metrics.INFLIGHT), value(counted, metrics.QUEUE)) == (0, 0)
    assert value(counted, f"{metrics.LATENCY}_count", traffic="live") == 1


def test_gauges_of_all_processes_are_added(counted: Metrics) -> None:
    for process in (0, 1):
        counted.attach(process)
        counted.began()
        counted.began()
        counted.ended()
    assert value(counted, metrics.INFLIGHT) == 2


def test_the_judges_adapter_reads_what_is_written(counted: Metrics, served: Served) -> None:
    counted.answered("live", ONE, 0.02, "x")
    counted.answered("pinned", ONE, 0.02, "x")
    counted.refused("live", "bad_image")
    counted.refused("live", "internal")
    found = parse_predictor(counted.text()[0].decode(), served.model, served.version)
    assert (found.good, found.refused, found.predictor_errors) == (1, 1, 1)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=x;escaping=x", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,*/*",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(counted: Metrics, accept: str, content_type: str) -> None:
    content, found = counted.text(accept)
    assert found == content_type
    read = openmetrics_families if "openmetrics" in found else text_string_to_metric_families
    assert "ml_geometry_predictions" in {family.name for family in read(content.decode())}


def test_a_class_may_have_any_name(served: Served) -> None:
    classes = ('a"b', "c\\d", "e\nf", "},{", *served.classes[4:])
    card = dataclasses.replace(served.card, classes=classes)
    found = scrape(Metrics(dataclasses.replace(served, card=card)))
    assert {dict(labels)["class"] for name, labels in found if name == metrics.PREDICTIONS} == set(classes)


def test_the_summary_is_of_both_kinds_of_traffic_and_of_each(served: Served) -> None:
    counted = Metrics(served, clock=lambda: 1_772_357_400.125)
    counted.answered("live", ONE, 0.02, "x")
    counted.answered("pinned", MANY, 0.02, "x")
    counted.began()
    found = counted.summary()
    assert (found["digest"], found["since"]) == (served.digest, "2026-03-01T09:30:00.125Z")
    assert (found["requests"], found["images"], found["in_flight"]) == (2, 4, 1)
    assert {traffic: part["images"] for traffic, part in found["traffic"].items()} == {"live": 1, "pinned": 3}


def test_living_processes_and_their_memory_are_counted_and_dead_ones_are_not(served: Served) -> None:
    counted = Metrics(served, processes=2)
    assert value(counted, metrics.PROCESSES) == 0
    alone = scrape(counted)["process_resident_memory_bytes", frozenset()]
    told, tell = socket.socketpair()

    def work() -> None:
        counted.attach(1)
        tell.send(b"attached")
        tell.recv(1)

    with forked(work) as pid:
        told.recv(8)
        assert value(counted, metrics.PROCESSES) == 1
        assert scrape(counted)["process_resident_memory_bytes", frozenset()] > alone + 2**20
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert value(counted, metrics.PROCESSES) == 0
    counted.restarted()
    assert (value(counted, metrics.PROCESSES), value(counted, metrics.RESTARTS)) == (0, 1)


class Worker:
    """A child that counts answers and then gives each: one byte is one answer that reached its client."""

    def __init__(self, counted: Metrics, process: int) -> None:
        self.process = process
        self._answers, given = os.pipe()
        self._pid = fork(lambda: self._work(counted, given))
        os.close(given)

    def _work(self, counted: Metrics, given: int) -> None:
        counted.attach(self.process)
        while True:
            counted.began()
            counted.answered("live", MANY, 0.02, "x")
            os.write(given, b".")
            counted.ended()

    def take(self, answers: int) -> int:
        """Wait for so many answers."""
        return sum(len(os.read(self._answers, 1)) for _ in range(answers))

    def kill(self) -> int:
        """End it wherever it is; the answers that it still gave."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        left = 0
        while part := os.read(self._answers, 2**16):
            left += len(part)
        os.close(self._answers)
        return left


def test_whenever_workers_are_killed_no_answer_is_uncounted_and_no_counter_falls(served: Served) -> None:
    counted, chance = Metrics(served, processes=2), random.Random(7)
    workers = [Worker(counted, process) for process in (0, 1)]
    answered, last = 0, increasing(scrape(counted))
    for _ in range(30):
        victim = workers.pop(chance.randrange(2))
        answered += victim.take(chance.randrange(1, 400))
        samples = increasing(scrape(counted))
        assert all(count >= last[key] for key, count in samples.items())
        answered, last = answered + victim.kill(), samples
        workers.append(Worker(counted, victim.process))
    answered += sum(worker.kill() for worker in workers)
    killed = 32
    assert answered <= value(counted, f"{metrics.LATENCY}_count", traffic="live") <= answered + killed
    images = value(counted, f"{metrics.CONFIDENCE}_count", traffic="live")
    assert 3 * answered <= images <= 3 * (answered + killed)
    for process in (0, 1):
        counted.attach(process)
    assert value(counted, metrics.INFLIGHT) == 0
