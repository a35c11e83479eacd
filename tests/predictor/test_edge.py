"""What no client can be made to cause: faults of ours, and connections that end in the middle."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from predictor.edge import Edge
from predictor.metrics import ERRORS, Metrics
from predictor.model import GeometryModel
from predictor.served import Served

PATH = "/v1/models/shapes:predict"


class BrokenClassifier:
    def classify(self, images: object) -> object:
        raise RuntimeError("secret words of a library")


async def nothing(scope: object, receive: object, send: object) -> None:
    """KServe's application, which no request here reaches."""


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def model(served: Served, registry: CollectorRegistry) -> GeometryModel:
    model = GeometryModel(served, Metrics(served, registry), max_images=64, threads=1)
    model.load()
    return model


def post(model: GeometryModel, body: bytes) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Edge(model, nothing, max_body=100_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.post(PATH, content=body, headers={"content-type": "image/png", "x-request-id": "r1"})

    return asyncio.run(ask())


def errors(registry: CollectorRegistry, reason: str) -> float | None:
    labels = {"model": "shapes", "version": "1", "traffic": "pinned", "reason": reason}
    return registry.get_sample_value(ERRORS, labels)


def test_a_fault_of_ours_tells_the_client_nothing_but_its_request(
    model: GeometryModel, registry: CollectorRegistry, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    model._classifier = BrokenClassifier()  # type: ignore[assignment]
    answer = post(model, png)
    assert answer.status_code == 500
    assert answer.json() == {"error": "internal error", "request_id": "r1"}
    assert "secret words" in caplog.text
    assert "r1" in caplog.text
    assert errors(registry, "internal") == 1


def test_a_stopping_model_sends_clients_elsewhere(
    model: GeometryModel, registry: CollectorRegistry, png: bytes
) -> None:
    model.stop()
    assert post(model, png).status_code == 503
    assert errors(registry, "model_not_ready") == 1


def test_a_client_that_leaves_is_not_answered_and_no_error(model: GeometryModel, registry: CollectorRegistry) -> None:
    sent: list[Any] = []
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": []}
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    edge = Edge(model, nothing, max_body=100)
    asyncio.run(edge(scope, answers(messages.__next__), answers(sent.append)))
    assert sent == []
    assert errors(registry, "internal") == 0


def answers(call: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def asynchronous(*arguments: object) -> Any:
        return call(*arguments)

    return asynchronous
