"""The queue of one process: bounded by predicted wait, run to completion on the event loop, long work in a thread.

A short prediction costs less than handing it to a thread does, so it runs where it was read. The loop is given back
after every few milliseconds of work, so that liveness and new connections are never behind more than one such turn.
What is predicted to take longer runs in a thread beside it: the net releases the interpreter lock while it computes.
All methods are called on the event loop; only `_compute` runs in the thread.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Protocol, TypeVar

from predictor.classifier import Classifier
from predictor.decoding import Decoded, decoded
from predictor.errors import Deadline, Internal, InvalidImage, Overloaded, PredictorError
from predictor.imagefile import check_pixels
from predictor.metrics import Metrics, Traffic
from predictor.query import Features, Limits, Pixels, Predictions, Query

TURN = 0.015
"""Seconds of work, as it goes at the moment, after which the event loop looks at its sockets."""
TO_BE_READ = 2
"""Turns that the event loop needs between the acceptance of a connection and the reading of what has come on it."""
FEW = 3
"""Calls of a turn up to which each is answered before the next is begun."""
LONG = 0.004
"""Predicted seconds from which a request goes to the thread: below, the hand-off shows in its latency."""
LARGE_BODY = 1_000_000
"""Bytes of a body that is parsed in the thread: JSON takes up to 25 ns a byte."""
SECONDS_PER_PIXEL = 1.5e-8
"""Decoding, PNG at its slowest; measured with `make bench`'s images."""
DECODED_ON_LOOP = int(LONG / SECONDS_PER_PIXEL)
"""Declared pixels of a file that is decoded on the event loop: 500 × 500."""
_MEMORY = 0.05
"""Weight of the newest observation in the mean slowness."""

A = TypeVar("A")
B = TypeVar("B")

log = logging.getLogger("predictor")


class Call(Protocol):
    """One request, whatever its protocol. size: bytes of its body. received: perf_counter seconds.

    turns_apart: turns of the event loop that may lie between two calls of its protocol that have come together; 0 when
    all that have come are submitted in one turn.
    """

    traffic: Traffic
    request_id: str
    size: int
    received: float
    turns_apart: int

    @property
    def gone(self) -> bool:
        """Nobody waits for the answer any more: its client has left, or wanted it earlier."""

    def read(self, limits: Limits) -> Query:
        """What it asks; raises PredictorError. May run in the thread."""

    def write(self, query: Query, predictions: Predictions) -> Any:
        """The answer as it goes out. May run in the thread."""

    def answer(self, answer: Any) -> None:
        """Send it."""

    def refuse(self, error: PredictorError) -> None:
        """Send the error."""


class Engine:
    """Answers calls with one net, on the event loop that runs. Made after the fork, which neither survives.

    max_wait: predicted seconds in the queue beyond which a call is refused at once.
    """

    def __init__(self, classifier: Classifier, limits: Limits, metrics: Metrics, *, max_wait: float) -> None:
        self._classifier = classifier
        self._limits = limits
        self._metrics = metrics
        self._max_wait = max_wait
        # Seconds a call takes ÷ seconds predicted for it: other processes want the core as well.
        self._slowness = 1.0
        self._spent = self._predicted = TURN
        self._queue: deque[tuple[Call, Query, float]] = deque()
        self._queued_seconds = 0.0
        self._turning = False
        self._gave_way = False  # since the last turn of work, so that a flood of connections stops nothing
        self._empty_turns = 0
        self._thread_seconds = 0.0
        self._in_thread = 0
        self._in_flight = 0
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")

    @property
    def idle(self) -> bool:
        """Nothing is here that was not answered."""
        return self._in_flight == 0

    def give_way(self) -> None:
        """A new connection is being made: leave the loop to it until its first request can have been read."""
        if self._turning and not self._gave_way:
            self._gave_way, self._empty_turns = True, max(self._empty_turns, TO_BE_READ)

    def submit(self, call: Call) -> None:
        """Take a call whose request is whole: it is answered or refused in its turn, or refused now."""
        self._metrics.began()
        self._in_flight += 1
        if call.gone:
            self._end()
            return
        try:
            self._admit(call)
        except PredictorError as error:
            self._refuse(call, error)
        except Exception:
            self._fail(call)

    def _admit(self, call: Call) -> None:
        if call.size > LARGE_BODY:
            self._hand_off(call, call.size * 2.5e-8, None)
            return
        self._check_wait(self._queued_seconds)
        query = call.read(self._limits)
        cost = len(query.images) * self._classifier.seconds
        if len(query.images) > 1:  # of a single file the decoder looks at the header itself, when it comes to it
            cost += check_pixels(query.images, self._limits) * SECONDS_PER_PIXEL
        if cost > LONG:
            self._hand_off(call, cost, query)
            return
        self._queue.append((call, query, cost))
        self._queued_seconds += cost
        if self._queued_seconds * self._slowness < TURN:  # else there is a turn's work already
            self._empty_turns = max(self._empty_turns, call.turns_apart)
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _check_wait(self, queued: float) -> None:
        wait = queued * self._slowness
        if wait > self._max_wait:
            raise Overloaded(wait, self._max_wait)

    def _turn(self) -> None:
        """Answer what is queued for about `TURN`, then let the loop look at its sockets.

        Of many calls all are decoded, then all measured, all classified, all answered: each of these finds the
        processor's caches as the call before has left them, not as the net has. So it leaves the loop alone first,
        while more of what has come may be submitted. Of a few none waits for the others.
        """
        if self._empty_turns:
            self._empty_turns -= 1
            self._loop.call_soon(self._turn)
            return
        self._gave_way = False
        start = perf_counter()
        taken, seconds = self._take()
        together = [taken] if len(taken) > FEW else [[one] for one in taken]
        begun = sum([self._predict(calls) for calls in together])
        self._metrics.queue(len(self._queue) + self._in_thread)
        if begun:
            self._learn(perf_counter() - start, seconds)
        if self._queue:
            self._loop.call_soon(self._turn)
        else:
            self._turning = False
            self._queued_seconds = 0.0  # what rounding has left

    def _predict(self, calls: list[tuple[Call, Query, float]]) -> int:
        """How many were decoded: of the others next to nothing was to be done."""
        begun = self._each(calls, self._decode_small)
        measured = self._each(begun, self._measure)
        self._each(self._each(measured, self._classify), self._answer)
        return len(begun)

    def _learn(self, spent: float, predicted: float) -> None:
        """Of sums, not of ratios: one short turn that was interrupted says little."""
        self._spent += _MEMORY * (spent - self._spent)
        self._predicted += _MEMORY * (predicted - self._predicted)
        self._slowness = self._spent / self._predicted

    def _take(self) -> tuple[list[tuple[Call, Query, float]], float]:
        """The next calls for about `TURN`, each with its predicted seconds, and the sum of these."""
        taken, seconds, queue = [], 0.0, self._queue
        while queue and seconds * self._slowness < TURN:
            taken.append(queue.popleft())
            seconds += taken[-1][2]
        self._queued_seconds -= seconds
        return taken, seconds

    def _each(
        self, calls: list[tuple[Call, Query, A]], work: Callable[[Call, Query, A], B | None]
    ) -> list[tuple[Call, Query, B]]:
        """Do a part of the work for each call; those of which something came go on to the next part with it."""
        going_on = []
        for call, query, value in calls:
            try:
                if call.gone:
                    self._end()
                elif (made := work(call, query, value)) is not None:
                    going_on.append((call, query, made))
            except PredictorError as error:
                self._refuse(call, error)
            except Exception:
                self._fail(call)
        return going_on

    def _decode_small(self, call: Call, query: Query, _cost: float) -> Decoded | None:
        """Its images; a single file that turns out to be large goes to the thread."""
        self._check_age(call)
        try:
            return decoded(query, self._limits.input, max_pixels=DECODED_ON_LOOP)
        except InvalidImage:
            declared = check_pixels(query.images, self._limits)
            if declared <= DECODED_ON_LOOP:
                raise
            self._hand_off(call, self._classifier.seconds + declared * SECONDS_PER_PIXEL, query)
            return None

    def _measure(self, _call: Call, _query: Query, found: Decoded) -> tuple[Pixels, Sequence[Features]]:
        return found.images, self._metrics.measured(found)

    def _classify(self, _call: Call, _query: Query, measured: tuple[Pixels, Sequence[Features]]) -> Predictions:
        images, features = measured
        predictions = Predictions.of(self._classifier.classify(images), features)
        if not math.isfinite(sum(map(sum, predictions.rows))):
            raise ArithmeticError("the net answered with a probability that is no number")
        return predictions

    def _answer(self, call: Call, query: Query, predictions: Predictions) -> None:
        self._finish(call, predictions, call.write(query, predictions))

    def _check_age(self, call: Call) -> None:
        """A forecast can be wrong: nothing is computed for somebody who has given up."""
        waited = perf_counter() - call.received
        if waited > 2 * self._max_wait:
            raise Deadline(f"found {waited:.3f} s in the queue, that is too late; ask again")

    def _hand_off(self, call: Call, cost: float, query: Query | None) -> None:
        self._check_wait(self._thread_seconds)
        self._thread_seconds += cost
        self._in_thread += 1
        self._metrics.queue(len(self._queue) + self._in_thread)
        self._thread.submit(self._compute, call, cost, query)

    def _compute(self, call: Call, cost: float, query: Query | None) -> None:
        """In the thread: everything but what touches the connection and the counters."""
        done: Callable[[], None]
        try:
            if call.gone:
                done = self._end
            else:
                self._check_age(call)
                query = call.read(self._limits) if query is None else query
                check_pixels(query.images, self._limits)
                found = decoded(query, self._limits.input, max_pixels=self._limits.pixels)
                predictions = self._classify(call, query, self._measure(call, query, found))
                done = _bound(self._finish, call, predictions, call.write(query, predictions))
        except PredictorError as error:
            done = _bound(self._refuse, call, error)
        except Exception:
            log.exception("predict.failed request=%s", call.request_id)
            done = _bound(self._refuse, call, Internal())
        self._loop.call_soon_threadsafe(self._left_thread, cost, done)

    def _left_thread(self, cost: float, done: Callable[[], None]) -> None:
        self._thread_seconds = max(0.0, self._thread_seconds - cost)
        self._in_thread -= 1
        self._metrics.queue(len(self._queue) + self._in_thread)
        done()

    def _finish(self, call: Call, predictions: Predictions, answer: Any) -> None:
        """Counted before it is sent: what a client has seen is in the counters, whatever dies next."""
        if not call.gone:
            self._metrics.answered(call.traffic, predictions, perf_counter() - call.received, call.request_id)
            call.answer(answer)
        self._end()

    def _fail(self, call: Call) -> None:
        log.exception("predict.failed request=%s", call.request_id)  # noqa: LOG004 (called while one is handled)
        self._refuse(call, Internal())

    def _refuse(self, call: Call, error: PredictorError) -> None:
        if not call.gone:
            if isinstance(error, Overloaded):
                self._metrics.shed(call.traffic)
            self._metrics.refused(call.traffic, error.reason)
            call.refuse(error)
        self._end()

    def _end(self) -> None:
        self._in_flight -= 1
        self._metrics.ended()


def _bound(function: Callable[..., None], *arguments: Any) -> Callable[[], None]:
    return lambda: function(*arguments)
