"""The queue of one process, with the real net and calls that only remember what they were told."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import uvloop
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from predictor.acceptor import Acceptor
from predictor.classifier import Classifier
from predictor.engine import FEW, LARGE_BODY, TO_BE_READ, Engine
from predictor.errors import BadRequest, Internal, Overloaded, PredictorError
from predictor.metrics import Metrics
from predictor.query import Limits, Predictions, Query
from predictor.served import Served


class Asked:
    """A call for `images` black images."""

    def __init__(self, images: int = 1, *, size: int = 1, error: Exception | None = None, turns_apart: int = 0):
        self.traffic, self.request_id, self.size, self.received = "pinned", "r", size, perf_counter()
        self.gone, self.turns_apart = False, turns_apart
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._images, self._error = images, error

    def read(self, limits: Limits) -> Query:
        if self._error:
            raise self._error
        return Query(np.zeros((self._images, 64, 64, 3), np.uint8))

    def write(self, query: Query, predictions: Predictions) -> Predictions:
        return predictions

    def answer(self, answer: Predictions) -> None:
        self.outcome.set_result(answer)

    def refuse(self, error: PredictorError) -> None:
        self.outcome.set_exception(error)


@pytest.fixture(scope="module")
def classifier(served: Served) -> Classifier:
    return Classifier(served.net, input=served.card.input, classes=8, interpreters=2)


@pytest.fixture
def metrics(served: Served) -> Metrics:
    metrics = Metrics(served, processes=1)
    metrics.attach(0)
    return metrics


@pytest.fixture
def run(classifier: Classifier, served: Served, metrics: Metrics) -> Callable[..., None]:
    """Run a test on an event loop with an engine of its own."""

    def run(test: Callable[[Engine], Coroutine[Any, Any, None]], *, max_wait: float = 10) -> None:
        async def on_loop() -> None:
            engine = Engine(classifier, Limits(served.card.input, 64), metrics, max_wait=max_wait)
            await test(engine)
            assert engine.idle

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(on_loop())

    return run


def test_every_call_gets_an_answer_of_its_own(run: Callable[..., None]) -> None:
    async def test(engine: Engine) -> None:
        calls = [Asked(images) for images in (1, 2, 3)]
        for call in calls:
            engine.submit(call)
        answers = await asyncio.gather(*(call.outcome for call in calls))
        assert [len(answer.winners) for answer in answers] == [1, 2, 3]

    run(test)


@pytest.mark.parametrize("size", [1, LARGE_BODY + 1])
def test_long_work_leaves_the_event_loop_free(run: Callable[..., None], size: int) -> None:
    async def test(engine: Engine) -> None:
        long = Asked(5000, size=size)
        engine.submit(long)
        short = Asked()
        engine.submit(short)
        await short.outcome
        assert not long.outcome.done()
        assert len((await long.outcome).winners) == 5000

    run(test)


def test_more_than_can_be_answered_in_time_is_refused_at_once(run: Callable[..., None], metrics: Metrics) -> None:
    async def test(engine: Engine) -> None:
        calls = [Asked() for _ in range(500)]
        for call in calls:
            engine.submit(call)
        refused = [call for call in calls if call.outcome.done()]
        assert all(isinstance(call.outcome.exception(), Overloaded) for call in refused)
        assert calls[-1] in refused
        assert calls[0] not in refused
        await asyncio.gather(*(call.outcome for call in calls), return_exceptions=True)

    run(test, max_wait=1e-4)
    assert metrics.summary()["errors"]["overloaded"] > 0


@pytest.mark.parametrize("size", [1, LARGE_BODY + 1])
def test_all_that_is_known_of_an_image_is_counted_before_its_answer_goes(
    run: Callable[..., None], metrics: Metrics, size: int
) -> None:
    class Scraping(Asked):
        def answer(self, answer: Predictions) -> None:
            families = text_string_to_metric_families(metrics.text()[0].decode())
            self.outcome.set_result([sample for family in families for sample in family.samples])

    def counts(samples: list[Sample], name: str) -> set[float]:
        return {one.value for one in samples if one.name == name and one.labels["traffic"] == "pinned"}

    async def test(engine: Engine) -> None:
        calls = [Scraping(size=size) for _ in range(5)]
        for call in calls:
            engine.submit(call)
        for count, call in enumerate(calls, start=1):
            seen = await call.outcome
            assert counts(seen, "ml_geometry_prediction_confidence_count") == {count}
            assert counts(seen, "ml_geometry_input_feature_count") == {0, count}  # 0: it came as no file

    run(test)


def test_nothing_is_computed_for_a_client_that_has_left(run: Callable[..., None], metrics: Metrics) -> None:
    async def test(engine: Engine) -> None:
        calls = [Asked(), Asked(5000)]
        for call in calls:
            engine.submit(call)
            call.gone = True
        last = Asked()
        engine.submit(last)
        await last.outcome
        while not engine.idle:
            await asyncio.sleep(0)
        assert not any(call.outcome.done() for call in calls)

    run(test)
    assert metrics.summary()["images"] == 1


@pytest.mark.parametrize("size", [1, LARGE_BODY + 1])
@pytest.mark.parametrize(
    ("raised", "told", "reason"),
    [(BadRequest("found a"), BadRequest, "bad_request"), (RuntimeError("secret"), Internal, "internal")],
)
def test_what_goes_wrong_is_told_and_counted(
    run: Callable[..., None], metrics: Metrics, size: int, raised: Exception, told: type, reason: str
) -> None:
    async def test(engine: Engine) -> None:
        call = Asked(size=size, error=raised)
        engine.submit(call)
        with pytest.raises(told) as error:
            await call.outcome
        assert "secret" not in str(error.value)

    run(test)
    assert metrics.summary()["errors"][reason] == 1


def answered(calls: list[Asked]) -> int:
    return sum(call.outcome.done() for call in calls)


def test_a_new_connection_is_read_before_more_is_computed(run: Callable[..., None]) -> None:
    async def test(engine: Engine) -> None:
        calls = [Asked() for _ in range(1000)]
        at_acceptance: list[int] = []
        read: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Reader(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                read.set_result(answered(calls))

        def accepted() -> None:
            at_acceptance.append(answered(calls))
            engine.give_way()

        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        for call in calls:
            engine.submit(call)
        acceptor = Acceptor(listening, Reader, accepted=accepted, tls=None)
        with socket.create_connection(listening.getsockname()) as client:
            client.sendall(b"GET")
            assert [await read] == at_acceptance
        acceptor.close()
        await asyncio.gather(*(call.outcome for call in calls))

    run(test)


def test_calls_that_come_one_by_one_are_answered_together_when_they_are_a_turns_work(run: Callable[..., None]) -> None:
    async def test(engine: Engine) -> None:
        calls: list[Asked] = []
        while not answered(calls) and len(calls) < 10_000:
            calls.append(Asked(turns_apart=2))
            engine.submit(calls[-1])
            await asyncio.sleep(0)
        assert FEW < answered(calls) < 10_000
        await asyncio.gather(*(call.outcome for call in calls))

    run(test)


def test_a_call_that_nothing_follows_is_answered_all_the_same(run: Callable[..., None]) -> None:
    async def test(engine: Engine) -> None:
        call = Asked(turns_apart=2)
        engine.submit(call)
        for _ in range(2):
            await asyncio.sleep(0)
            assert not call.outcome.done()
        await call.outcome

    run(test)


def test_a_flood_of_connections_stops_no_work(run: Callable[..., None]) -> None:
    async def test(engine: Engine) -> None:
        call = Asked()
        engine.submit(call)
        for _ in range(TO_BE_READ + 1):
            engine.give_way()
            await asyncio.sleep(0)
        engine.give_way()
        await asyncio.sleep(0)
        assert call.outcome.done()

    run(test)
