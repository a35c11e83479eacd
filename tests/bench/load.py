"""The load generator: a process of its own, one thread, one epoll loop over raw sockets.

Plans come pickled on stdin, what was seen of each goes as a line of JSON to stdout. Closed loop: every connection asks
again as soon as it is answered. Open loop: requests come at their own times whatever the server does, and latency
counts from the time a request was due, so that a stall is charged to every request it delayed.
"""

import gc
import json
import pickle
import random
import select
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

from tests.bench.http1 import Http1, Outcome
from tests.bench.http2 import Http2

REFUSED = (429, 503)
DRAIN = 10.0
"""Seconds that answers may take after the last request of a plan."""


@dataclass(frozen=True)
class Plan:
    """What to send where.

    requests: in turn, whole HTTP/1.1 requests or gRPC calls of `http2.call`. connections: open at the start; in an
    open loop up to `most` are opened when all are busy. warm: seconds before counting begins. rate: arrivals a second,
    None for a closed loop. arrivals: their spacing. fresh: a new connection for every request.

    tick: seconds for which an open loop sleeps between two looks, 0 for none: at thousands of arrivals a second a
    wake-up for each would take the server's cores from it. Latency counts from when a request was due all the same.
    """

    port: int
    requests: tuple[bytes, ...]
    seconds: float
    connections: int
    most: int = 0
    warm: float = 0.4
    protocol: Literal["http", "grpc"] = "http"
    rate: float | None = None
    arrivals: Literal["poisson", "even"] = "poisson"
    fresh: bool = False
    tick: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Seen:
    """What came of a plan. Latencies are in seconds and in order of answers, of the window of `seconds` alone.

    done: good answers that came inside the window, whenever they were asked for. answers: in and outside of it. cpu: of
    this process, seconds per answer. lag: share of the time in which it could have run and waited for a core. late:
    99th percentile of seconds between the time a request was due and its sending, in an open loop.
    """

    good: list[float]
    refused: list[float]
    errors: dict[str, int]
    seconds: float
    done: int
    answers: int
    cpu: float
    lag: float
    late: float = 0.0


@dataclass
class _Window:
    """Counts what ends between two moments; in an open loop, what was due between them."""

    start: float
    end: float
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    done: int = 0
    answers: int = 0

    def count(self, outcome: int, *, since: float, now: float, at: float) -> None:
        """One answer to a request that counts from `since`; `at` decides whether it belongs here."""
        self.answers += 1
        if outcome == 200:
            self.done += self.start <= now < self.end
            if self.start <= at < self.end:
                self.good.append(now - since)
        elif outcome in REFUSED:
            if self.start <= at < self.end:
                self.refused.append(now - since)
        else:
            self.errors[str(outcome) if outcome else "connection closed or answer broken"] += 1


class _Connections:
    """Sockets under one epoll: opened, registered, replaced."""

    def __init__(self, plan: Plan) -> None:
        kind: Callable[..., Http1 | Http2] = Http2 if plan.protocol == "grpc" else Http1
        self._make = lambda: kind(plan.port)
        self._epoll = select.epoll()
        self.by_file: dict[int, Any] = {}

    def open_connected(self) -> Any:
        """One that need not be waited for any more: before a plan's clock runs."""
        connection = self.open()
        writable = select.poll()
        writable.register(connection.socket, select.POLLOUT)
        writable.poll(DRAIN * 1000)
        return connection

    def open(self) -> Any:
        connection = self._make()
        self.by_file[connection.socket.fileno()] = connection
        self._epoll.register(connection.socket, select.EPOLLIN)
        return connection

    def close(self, connection: Any) -> None:
        self._epoll.unregister(connection.socket)
        del self.by_file[connection.socket.fileno()]
        connection.close()

    def close_all(self) -> None:
        for connection in list(self.by_file.values()):
            self.close(connection)
        self._epoll.close()

    def begin(self, connection: Any, request: bytes) -> None:
        if not connection.begin(request):
            self._epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def wait(self, timeout: float) -> None:
        """Until something has come or so many seconds are over. epoll waits in whole milliseconds, this does not."""
        select.select([self._epoll], [], [], max(0.0, timeout))

    def events(self, timeout: float) -> list[tuple[Any, Outcome]]:
        """Connections whose answer is whole or whose end has come, after at most `timeout` seconds."""
        ended = []
        for file, event in self._epoll.poll(timeout):
            connection = self.by_file[file]
            if event & select.EPOLLOUT and connection.go_on():
                self._epoll.modify(connection.socket, select.EPOLLIN)
            if event & ~select.EPOLLOUT:
                outcome = connection.receive()
                if outcome is not None:
                    ended.append((connection, outcome))
        return ended


def run(plan: Plan) -> Seen:
    """Carry a plan out."""
    waited, cpu = _waited_for_core(), time.process_time()
    begun = time.perf_counter()
    connections = _Connections(plan)
    window, late = _closed(plan, connections) if plan.rate is None else _open(plan, connections)
    connections.close_all()
    elapsed = time.perf_counter() - begun
    return Seen(
        good=window.good,
        refused=window.refused,
        errors=dict(window.errors),
        seconds=window.end - window.start,
        done=window.done,
        answers=window.answers,
        cpu=(time.process_time() - cpu) / max(1, window.answers),
        lag=(_waited_for_core() - waited) / elapsed,
        late=late,
    )


def _closed(plan: Plan, connections: _Connections) -> tuple[_Window, float]:
    requests = cycle(plan.requests)
    clock = time.perf_counter
    sent: dict[Any, float] = {}
    opened = [connections.open_connected() for _ in range(plan.connections)]
    start = clock() + plan.warm
    window = _Window(start, start + plan.seconds)
    for connection in opened:
        sent[connection] = clock()
        connections.begin(connection, next(requests))
    while sent and clock() < window.end + DRAIN:
        for connection, outcome in connections.events(0.1):
            now = clock()
            if connection not in sent:
                connections.close(connection)  # the server's right, when nothing is asked any more
                continue
            window.count(outcome, since=sent.pop(connection), now=now, at=now)
            if now >= window.end:
                continue
            if not outcome:
                connections.close(connection)
                connection = connections.open()
            sent[connection] = clock()
            connections.begin(connection, next(requests))
    window.errors.update({"no answer": len(sent)} if sent else {})
    return window, 0.0


def _open(plan: Plan, connections: _Connections) -> tuple[_Window, float]:
    requests = cycle(plan.requests)
    clock = time.perf_counter
    idle = deque(connections.open_connected() for _ in range(0 if plan.fresh else plan.connections))
    most = max(plan.most, plan.connections)
    begun = clock() + 0.01
    window = _Window(begun + plan.warm, begun + plan.warm + plan.seconds)
    arrivals = deque(begun + offset for offset in offsets(plan))
    due_of: dict[Any, float] = {}
    late: list[float] = []
    while (arrivals or due_of) and clock() < window.end + DRAIN:
        now = clock()
        while arrivals and arrivals[0] <= now and (idle or len(connections.by_file) < most):
            connection = idle.popleft() if idle else connections.open()
            due_of[connection] = due = arrivals.popleft()
            connections.begin(connection, next(requests))
            late.append(now - due)
        if plan.tick:
            time.sleep(plan.tick)
        else:
            connections.wait(_until(arrivals, idle, now))
        for connection, outcome in connections.events(0):
            if connection not in due_of:
                idle.remove(connection)  # the server's right
                connections.close(connection)
                continue
            due = due_of.pop(connection)
            window.count(outcome, since=due, now=clock(), at=due)
            if plan.fresh or not outcome:
                connections.close(connection)
            else:
                idle.append(connection)
    unanswered = len(due_of) + len(arrivals)
    window.errors.update({"no answer": unanswered} if unanswered else {})
    late.sort()
    return window, late[int(0.99 * len(late))] if late else 0.0


def _until(arrivals: deque[float], idle: deque[Any], now: float) -> float:
    """Seconds to wait for events: until the next arrival, unless nothing could carry one that is due already."""
    if not arrivals:
        return 0.1
    due = arrivals[0] - now
    return due if due > 0 or idle else 0.001


def offsets(plan: Plan) -> list[float]:
    """Seconds after the start at which requests are due; the same for the same plan."""
    if plan.rate is None:
        raise ValueError("rate: missing; an open loop wants one")
    total, step = plan.warm + plan.seconds, 1 / plan.rate
    if plan.arrivals == "even":
        return [step * place for place in range(int(total * plan.rate))]
    dice, at, found = random.Random(plan.seed), 0.0, []
    while (at := at + dice.expovariate(plan.rate)) < total:
        found.append(at)
    return found


def _waited_for_core() -> float:
    """Seconds this process has been ready to run and was not; 0 where the system does not say."""
    account = Path("/proc/self/schedstat")
    return int(account.read_text().split()[1]) / 1e9 if account.exists() else 0.0


def main() -> None:
    """Carry out plan after plan, until there are no more."""
    while True:
        try:
            plan = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        gc.collect()
        gc.disable()  # a collection in the middle would be charged to the server
        print(json.dumps(asdict(run(plan))), flush=True)
        gc.enable()


if __name__ == "__main__":
    main()
