"""The HTTP edge of predictions: read, queued and answered on the connection itself, without a task or an ASGI message.

It is uvicorn's own protocol class with the predictions taken out: a POST to one of the routes here never becomes an
ASGI request, everything else goes on to the application as ever. What a connection may cost is bounded here for both:
bytes of headers and body, seconds until they are here, answers that nobody reads.
"""

import asyncio
import math
from time import perf_counter
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from predictor.errors import (
    BadRequest,
    Full,
    HeadersTooLarge,
    Overloaded,
    PredictorError,
    Timeout,
    TooLarge,
    UnsupportedEncoding,
)
from predictor.jsontext import shown
from predictor.metrics import Traffic
from predictor.query import Body, Form, Limits, Predictions, Query
from predictor.site import REST, Site

LINGER = 2.0
"""Seconds for which a refused client's bytes are read and dropped: closing at once would destroy the refusal."""
_NEVER = math.inf


class Exchange:
    """One prediction on a connection: what `engine.Call` wants, over HTTP. close: the connection ends with it."""

    turns_apart = 0

    __slots__ = (
        "_connection",
        "_form",
        "_headers",
        "_parts",
        "close",
        "gone",
        "received",
        "request_id",
        "size",
        "traffic",
    )

    def __init__(self, connection: "Connection", form: Form, headers: dict[bytes, bytes]) -> None:
        self._connection = connection
        self._form = form
        self._headers = headers
        self._parts: list[bytes] = []
        self.traffic: Traffic = "live" if headers.get(b"x-traffic") == b"live" else "pinned"
        self.request_id = connection.site.ids.of(headers.get(b"x-request-id"))
        self.size = 0
        self.received = 0.0
        self.gone = False
        self.close = False

    def add(self, part: bytes) -> None:
        """A piece of the body."""
        self.size += len(part)
        self._parts.append(part)

    def read(self, limits: Limits) -> Query:
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        return self._form.read(body, self._headers, limits)

    def write(self, query: Query, predictions: Predictions) -> Body:
        return self._form.write(query, predictions, self._connection.site.served)

    def answer(self, answer: Body) -> None:
        self._connection.respond(self, 200, answer)

    def refuse(self, error: PredictorError) -> None:
        self._connection.respond(self, error.status, error_body(error, self.request_id), retry_after=error.retry_after)


def error_body(error: PredictorError, request_id: str) -> Body:
    """What a client is told of an error."""
    return Body(orjson.dumps({"error": str(error), "request_id": request_id}))


class Connection(HttpToolsProtocol):
    """One client's connection. `due`: loop time at which it is cut; `_deaf`: what it sends from here on is dropped.

    refused: loop time at which it was last sent away for overload, or read again after that.
    """

    site: Site

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.site = self.config.site  # type: ignore[attr-defined]  # put beside uvicorn's own settings at start
        self.due = _NEVER
        self.refused = -_NEVER
        self._head_bytes = 0
        self._hosts = 0
        self._in_headers = True
        self._missing: str | None = None
        self._probed = False
        self._exchange: Exchange | None = None
        self._deaf = False

    @property
    def answering(self) -> bool:
        """A whole request waits for its answer."""
        return self._in_headers and (self._exchange is not None or self._in_application)

    @property
    def idle(self) -> bool:
        """No request is being read or answered."""
        return self._in_headers and not self._head_bytes and not self.answering

    @property
    def _in_application(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._expect_by(self.site.wire.receive_timeout)
        self.site.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._exchange is not None:
            self._exchange.gone = True
            self._release(self._exchange)
        self.site.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if self._in_headers:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return
        except httptools.HttpParserError:
            self._turn_away(BadRequest("request: found bytes that are no HTTP/1.1 request, wanted one"))
            return
        # A header is told when it is whole; until then only the bytes that came say how large it is.
        if self._in_headers and self._head_bytes > self.site.wire.max_headers:
            self._turn_away(self._too_many_headers(f"{self._head_bytes} or more"))
        if not self._deaf:
            self._await_rest()

    def on_message_begin(self) -> None:
        if self.answering:
            self._ends_here()
        if self._deaf:
            return
        self.url = b""
        self.headers = []
        self._hosts = 0
        self._head_bytes = self._head_bytes or 1  # begun behind another request, in bytes that are counted already
        self.expect_100_continue = False

    def on_url(self, url: bytes) -> None:
        if not self._deaf:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_headers and not self._deaf:  # what follows a body in chunks means nothing here
            name = name.lower()
            self.headers.append((name, value))
            if name == b"host":
                self._hosts += 1

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._in_headers = False
        received, self._head_bytes = self._head_bytes, 0
        if received > self.site.wire.max_headers:  # with what came of the body: only then it is worth adding up
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.site.wire.max_headers:
                self._turn_away(self._too_many_headers(str(size)))
                return
        if self._hosts != 1 and (self._hosts or self.parser.get_http_version() == "1.1"):
            self._turn_away(BadRequest(f"headers: found {self._hosts} Host headers, wanted one"))  # RFC 9112, 3.2
            return
        form = self.site.form(self.url)
        method = self.parser.get_method()
        if method == b"GET" and self.url in self.site.probes:
            self._probed = True
        elif form is None or method != b"POST":
            self._to_application()
        else:
            self._begin(Exchange(self, form, headers := dict(self.headers)), headers)

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        if self._deaf:
            return
        if exchange is None:
            if not self._probed:
                super().on_body(body)
            return
        exchange.add(body)
        self.site.held += len(body)
        if exchange.size > self.site.wire.max_body:
            self._turn_away(self._too_large(f"{exchange.size} or more"))
        elif self.site.held > self.site.wire.max_held:
            self._turn_away(Full(self.site.held, self.site.wire.max_held))

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        self._in_headers = True
        self.site.forget(self)
        exchange = self._exchange
        if self._probed:
            self._answer_probe()
        elif exchange is None:
            super().on_message_complete()
            if not self._in_application:
                self._expect_by(self.site.wire.keep_alive)
        else:
            exchange.received = perf_counter()
            self.site.engine.submit(exchange)

    def respond(self, exchange: Exchange, status: int, body: Body, *, retry_after: int | None = None) -> None:
        """Send the answer; the connection is free for its next request, or closes."""
        close = exchange.close or self.site.stopping
        head = self.site.head(status, exchange.request_id, body, close=close, retry_after=retry_after)
        self._release(exchange)
        self.server_state.total_requests += 1
        self.transport.write(head + body.content)
        if close:
            self.transport.close()
        else:
            self._expect_by(self.site.wire.keep_alive)
            if status == Overloaded.status:
                self._sent_away()

    def _sent_away(self) -> None:
        """Who asks again at once, and again in vain, is not read for a moment."""
        now = self.loop.time()
        if now - self.refused < REST:
            self.flow.pause_reading()
            self.site.rest(self)
        self.refused = now

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_headers:  # else its body is still on the way, to be dropped; its time is running
            self._expect_by(self.site.wire.keep_alive)

    def shutdown(self) -> None:
        """Finish what is here, then close."""
        if self._exchange is not None:
            self._exchange.close = True
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """The client does not read its answers: nothing more is read from it, and that not for long."""
        super().pause_writing()
        self.flow.pause_reading()
        self._expect_by(self.site.wire.receive_timeout)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()
        self._expect_by(self.site.wire.keep_alive)

    def cut(self) -> None:
        """Its time is over: say so where a request has begun, and close."""
        self.site.forget(self)
        if self._deaf or self.flow.write_paused:
            self.transport.abort()
        elif self.idle or (self._exchange is None and not self._in_headers):
            self.transport.close()
        else:
            self._turn_away(Timeout(f"request: found no end of it in {self.site.wire.receive_timeout:g} s"))

    def _answer_probe(self) -> None:
        self._probed = False
        page = self.site.probes[self.url]()
        close = not self.parser.should_keep_alive() or self.site.stopping
        request_id = self.site.ids.of(dict(self.headers).get(b"x-request-id"))
        body = Body(page.content, page.content_type.encode())
        self.transport.write(self.site.head(page.status, request_id, body, close=close) + body.content)
        if close:
            self.transport.close()
        else:
            self._expect_by(self.site.wire.keep_alive)

    def _begin(self, exchange: Exchange, headers: dict[bytes, bytes]) -> None:
        self._exchange = exchange
        exchange.close = not self.parser.should_keep_alive() or self.parser.should_upgrade()
        encoding = headers.get(b"content-encoding", b"identity")
        if encoding != b"identity":
            self._turn_away(
                UnsupportedEncoding(f"content-encoding: found {shown(encoding.decode('latin-1'))}, wanted none")
            )
            return
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self.site.wire.max_body:
            self._turn_away(self._too_large(declared.decode()))
            return
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _await_rest(self) -> None:
        """Give what is missing its time, once for the headers and once for the body; most requests come whole."""
        missing = "body" if not self._in_headers else "headers" if self._head_bytes else None
        if missing != self._missing:
            self._missing = missing
            if missing is not None:
                self._expect_by(self.site.wire.receive_timeout)

    def _to_application(self) -> None:
        """Let uvicorn make an ASGI request of what was read."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _turn_away(self, error: PredictorError) -> None:
        """Refuse a request that is not read to its end, and close. An answer that is due comes first."""
        if self.answering or self._in_application:
            self._ends_here()
            return
        exchange = self._exchange
        if exchange is not None:
            self._release(exchange)
        request_id = exchange.request_id if exchange else self.site.ids.of(None)
        self.site.metrics.refused(exchange.traffic if exchange else "pinned", error.reason)
        body = error_body(error, request_id)
        head = self.site.head(error.status, request_id, body, close=True, retry_after=error.retry_after)
        self.transport.write(head + body.content)
        self._linger()

    def _release(self, exchange: Exchange) -> None:
        """The connection has nothing more to do with it."""
        self._exchange = None
        self.site.held -= exchange.size

    def _linger(self) -> None:
        """Close, but not before the client had time to read what it was told."""
        self._deaf = True
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
            self._expect_by(LINGER)
        else:
            self.transport.close()

    def _ends_here(self) -> None:
        """Close after the answer that is due: a request behind one that is not answered is not served."""
        self._deaf = True
        if self._exchange is not None:
            self._exchange.close = True
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _expect_by(self, seconds: float) -> None:
        self.due = self.loop.time() + seconds
        self.site.wait_for(self)

    def _too_large(self, found: str) -> TooLarge:
        return TooLarge(f"body: found {found} bytes, wanted at most {self.site.wire.max_body}")

    def _too_many_headers(self, found: str) -> HeadersTooLarge:
        return HeadersTooLarge(f"headers: found {found} bytes, wanted at most {self.site.wire.max_headers}")
