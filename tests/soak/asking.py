"""Many connections that ask at once again when they are answered, and know exactly how often they were."""

import select
from collections.abc import Callable, Sequence
from itertools import cycle

from tests.bench.http1 import Http1

SILENT = 30.0
"""Seconds without any event after which a server hangs."""


class Asking:
    """Closed-loop clients of a loopback port, on one thread.

    sent: requests that were begun. answered: good answers that came whole. lost: requests whose connection ended
    instead. The rest is in flight.
    """

    def __init__(self, requests: Sequence[bytes], *, connections: int) -> None:
        self.sent = self.answered = self.lost = 0
        self._requests = cycle(requests)
        self._connections = connections

    @property
    def in_flight(self) -> int:
        return self.sent - self.answered - self.lost

    def ask(self, port: int, done: Callable[[], bool]) -> None:
        """Keep every connection asking until `done`, looked at after every answer; then wait for what is in flight."""
        with select.epoll() as epoll:
            busy: dict[int, Http1] = {}
            for _ in range(self._connections):
                self._begin(Http1(port), busy, epoll)
            ending = False
            while busy:
                events = epoll.poll(SILENT)
                assert events, f"{len(busy)} requests without an answer for {SILENT:.0f} s"
                for file, event in events:
                    outcome = _moved(busy[file], event, epoll)
                    if outcome is None:
                        continue
                    self.answered += outcome == 200
                    self.lost += outcome == 0
                    connection = busy.pop(file)
                    epoll.unregister(file)
                    ending = ending or done()
                    if outcome == 0 or ending:
                        connection.close()
                    if not ending:
                        self._begin(connection if outcome else Http1(port), busy, epoll)

    def _begin(self, connection: Http1, busy: dict[int, Http1], epoll: select.epoll) -> None:
        self.sent += 1
        busy[connection.socket.fileno()] = connection
        whole = connection.begin(next(self._requests))
        epoll.register(connection.socket, select.EPOLLIN if whole else select.EPOLLIN | select.EPOLLOUT)


def _moved(connection: Http1, event: int, epoll: select.epoll) -> int | None:
    """Write or read what there is: 200 for an answer, 0 for an end, None when neither has come yet."""
    if event & select.EPOLLOUT and connection.go_on():
        epoll.modify(connection.socket, select.EPOLLIN)
    outcome = connection.receive() if event & ~select.EPOLLOUT else None
    assert outcome in (None, 0, 200), f"answered with {outcome}, wanted 200"
    return outcome
