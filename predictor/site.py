"""What all connections of a process share: routes of predictions, engine, limits, and the clock that cuts them off."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from predictor.engine import Engine
from predictor.metrics import Metrics
from predictor.pages import Page
from predictor.query import Body, Form
from predictor.request_id import RequestIds
from predictor.served import Served

REST = 0.03
"""Seconds for which a client that was refused for overload twice is not read: a refusal shall come within 50 ms."""
WOKEN = 200
"""How many of them are read again at once: so many refusals take a few milliseconds."""

if TYPE_CHECKING:
    from predictor.http import Connection


@dataclass(frozen=True)
class Wire:
    """What a connection may cost.

    max_body, max_headers: bytes. receive_timeout: seconds for the headers, and again for the body. keep_alive: seconds
    between two requests. connections: how many there may be at once; one more closes the one that let wait for longest.
    max_held: bytes of bodies that all connections of a process may hold at once.
    """

    max_body: int
    max_headers: int
    receive_timeout: float
    keep_alive: float
    connections: int
    max_held: int


class Site:
    """Made after the fork, once a process.

    probes: health checks by request target, answered on the connection: as an ASGI request each would wait for several
    turns of the engine. state: uvicorn's, with its connections and the headers of every answer.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        metrics: Metrics,
        served: Served,
        routes: Mapping[bytes, Form],
        probes: Mapping[bytes, Callable[[], Page]],
        wire: Wire,
        state: ServerState,
    ) -> None:
        self.engine = engine
        self.metrics = metrics
        self.served = served
        self.wire = wire
        self.ids = RequestIds()
        self.stopping = False
        self.held = 0
        self.probes = probes
        self._routes = routes
        self._state = state
        self._resting: list[Connection] = []
        self._waiting: dict[Connection, None] = {}  # in the order in which waiting began
        self._defaults: list[tuple[bytes, bytes]] = []
        self._common = b""

    def form(self, target: bytes) -> Form | None:
        """The prediction that a request target asks for, if it is one."""
        form = self._routes.get(target)
        if form is None and (b"%" in target or b"?" in target or not target.startswith(b"/")):
            try:
                form = self._routes.get(unquote_to_bytes(httptools.parse_url(target).path or b""))
            except httptools.HttpParserError:
                return None
        return form

    def head(self, status: int, request_id: str, body: Body, *, close: bool, retry_after: int | None = None) -> bytes:
        """Status line and headers of an answer."""
        if self._state.default_headers is not self._defaults:  # uvicorn makes them anew every second, for the date
            self._renew_common()
        parts = [STATUS_LINE[status], self._common, request_id.encode(), b"\r\ncontent-type: ", body.content_type]
        parts += (b"\r\ncontent-length: ", str(len(body.content)).encode())
        if body.json_length is not None:
            parts += (b"\r\ninference-header-content-length: ", str(body.json_length).encode())
        if retry_after is not None:
            parts += (b"\r\nretry-after: ", str(retry_after).encode())
        parts.append(b"\r\nconnection: close\r\n\r\n" if close else b"\r\n\r\n")
        return b"".join(parts)

    def wait_for(self, connection: "Connection") -> None:
        """The connection's client has to do something from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def forget(self, connection: "Connection") -> None:
        """Nothing is waited for from its client."""
        self._waiting.pop(connection, None)

    def rest(self, connection: "Connection") -> None:
        """Read nothing from a client that was sent away, for a moment.

        Clients that ask again at once would keep the event loop reading and refusing, and from everything else.
        """
        self._resting.append(connection)
        if len(self._resting) == 1:
            asyncio.get_running_loop().call_later(REST, self._wake)

    def _wake(self) -> None:
        rested, self._resting = self._resting[:WOKEN], self._resting[WOKEN:]
        loop = asyncio.get_running_loop()
        for connection in rested:
            connection.refused = loop.time()
            connection.flow.resume_reading()
        if self._resting:
            loop.call_later(REST, self._wake)

    def sweep(self, now: float) -> None:
        """Cut what is overdue. Called about every second: a timer a request would cost more than the request's reading.

        now: loop time.
        """
        for connection in [each for each in self._waiting if each.due < now]:
            connection.cut()

    def make_room(self, newcomer: "Connection") -> None:
        """When there are too many connections, close the one whose client has let wait for longest."""
        if len(self._state.connections) > self.wire.connections:
            oldest = next((each for each in self._waiting if each is not newcomer), newcomer)
            oldest.transport.abort()

    def _renew_common(self) -> None:
        self._defaults = self._state.default_headers
        headers = [
            *self._defaults,
            (b"x-model-version", self.served.version.encode()),
            (b"x-model-digest", self.served.digest.encode()),
            (b"x-request-id", b""),
        ]
        self._common = b"\r\n".join(b"%b: %b" % header for header in headers)
