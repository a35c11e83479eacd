import asyncio
import contextlib

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from predictor import metrics
from predictor.errors import REASONS, InvalidImage
from predictor.metrics import Metrics
from predictor.served import Served
from tests.predictor.conftest import RunningServer

PATH = "/v1/models/shapes:predict"
OWN = {"model": "shapes", "version": "1"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def counted(served: Served, registry: CollectorRegistry) -> Metrics:
    return Metrics(served, registry)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(name, {**OWN, **labels})
    assert found is not None, f"{name} {labels} is not there"
    return found


def scrape(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_every_child_is_there_before_the_first_request(server: RunningServer, served: Served) -> None:
    found = scrape(server.first_scrape)
    for traffic in ("live", "pinned"):
        own = frozenset({**OWN, "traffic": traffic}.items())
        for name in served.classes:
            assert found[metrics.PREDICTIONS, own | {("class", name)}] == 0
        for reason in REASONS:
            assert found[metrics.ERRORS, own | {("reason", reason)}] == 0
        assert found[f"{metrics.LATENCY}_count", own] == 0
        assert found[f"{metrics.CONFIDENCE}_count", own] == 0
        assert found[metrics.LOW_CONFIDENCE, own] == 0
    assert found[metrics.MODEL_INFO, frozenset({**OWN, "digest": served.digest}.items())] == 1
    assert found["process_start_time_seconds", frozenset()] > 0


def test_the_edges_are_those_of_the_design(server: RunningServer) -> None:
    found = [dict(labels)["le"] for name, labels in scrape(server.first_scrape) if name == f"{metrics.LATENCY}_bucket"]
    edges = sorted({float(edge) for edge in found})
    assert edges == [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, float("inf")]
    assert metrics.CONFIDENCE_EDGES[:2] + metrics.CONFIDENCE_EDGES[-1:] == (0.05, 0.1, 1.0)


@pytest.mark.parametrize("traffic", ["live", "pinned"])
def test_requests_count_where_their_header_says(client: httpx.Client, png: bytes, traffic: str) -> None:
    before = scrape(client.get("/metrics").text)
    headers = {"x-traffic": traffic, "content-type": "image/png"}
    client.post(PATH, content=png, headers=headers)
    client.post(PATH, content=b"hallo", headers=headers)
    after = scrape(client.get("/metrics").text)
    changed = [
        dict(labels)["traffic"]
        for (name, labels), count in after.items()
        if name.startswith("ml_geometry") and count != before[name, labels]
    ]
    assert set(changed) == {traffic}
    own = frozenset({**OWN, "traffic": traffic}.items())
    for name, labels in ((f"{metrics.LATENCY}_count", own), (metrics.ERRORS, own | {("reason", "bad_image")})):
        assert after[name, labels] == before[name, labels] + 1


def test_any_other_traffic_is_pinned(client: httpx.Client) -> None:
    own = frozenset({**OWN, "traffic": "pinned", "reason": "bad_request"}.items())
    before = scrape(client.get("/metrics").text)
    client.post(PATH, content=b"{}", headers={"x-traffic": "x" * 50})
    after = scrape(client.get("/metrics").text)
    assert after[metrics.ERRORS, own] == before[metrics.ERRORS, own] + 1
    assert after.keys() == before.keys()


def test_a_request_of_many_images_is_one_good_answer(counted: Metrics, registry: CollectorRegistry) -> None:
    with counted.request("live") as request:
        request.answered = np.eye(8, dtype=np.float32)[[2, 2, 5]]
    assert value(registry, f"{metrics.LATENCY}_count", traffic="live") == 1
    assert value(registry, f"{metrics.CONFIDENCE}_count", traffic="live") == 3
    assert value(registry, metrics.PREDICTIONS, traffic="live", **{"class": "triangle"}) == 2
    assert value(registry, metrics.LOW_CONFIDENCE, traffic="live") == 0


def test_confidence_below_the_cards_value_is_low(counted: Metrics, registry: CollectorRegistry) -> None:
    with counted.request("live") as request:
        request.answered = np.full((1, 8), 1 / 8, np.float32)
    assert value(registry, metrics.LOW_CONFIDENCE, traffic="live") == 1


@pytest.mark.parametrize(("error", "reason"), [(InvalidImage("x"), "bad_image"), (ZeroDivisionError(), "internal")])
def test_an_error_counts_by_its_reason_and_is_no_good_answer(
    counted: Metrics, registry: CollectorRegistry, error: Exception, reason: str
) -> None:
    with contextlib.suppress(type(error)), counted.request("pinned"):
        raise error
    assert value(registry, metrics.ERRORS, traffic="pinned", reason=reason) == 1
    assert value(registry, f"{metrics.LATENCY}_count", traffic="pinned") == 0
    assert value(registry, metrics.INFLIGHT) == 0


def test_a_request_that_its_client_cancelled_counts_as_nothing(counted: Metrics, registry: CollectorRegistry) -> None:
    with contextlib.suppress(asyncio.CancelledError), counted.request("live"):
        assert value(registry, metrics.INFLIGHT) == 1
        raise asyncio.CancelledError
    assert sum(value(registry, metrics.ERRORS, traffic="live", reason=reason) for reason in REASONS) == 0
    assert value(registry, f"{metrics.LATENCY}_count", traffic="live") == 0
    assert value(registry, metrics.INFLIGHT) == 0
