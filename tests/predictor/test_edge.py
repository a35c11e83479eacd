"""A fault of ours behind a page: the client learns nothing but its request's id, the log learns all."""

import asyncio

import httpx
import pytest

from predictor.edge import Edge
from predictor.metrics import Metrics
from predictor.model import GeometryModel
from predictor.query import Limits
from predictor.served import Served


class BrokenMetrics(Metrics):
    def summary(self) -> dict[str, object]:
        raise RuntimeError("secret words of a library")


async def nothing(scope: object, receive: object, send: object) -> None:
    """KServe's application, which no request here reaches."""


def test_a_fault_of_ours_tells_the_client_nothing_but_its_request(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    model = GeometryModel(served, BrokenMetrics(served), Limits(served.card.input, 64), max_wait=None)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Edge(model, nothing))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/metrics/summary", headers={"x-request-id": "r1"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error", "request_id": "r1"})
    assert "secret words" in caplog.text
    assert "r1" in caplog.text
