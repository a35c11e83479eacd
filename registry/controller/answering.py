"""A small HTTP/1.1 server for what is read: GET alone, a closed set of routes, one answer a connection.

Whoever sends nonsense, too much or too slowly gets one line and is hung up on; nobody holds up a turn or a probe. A
route gets the parts of the path that its pattern names and the query, and returns an `Answer`; it runs in a thread.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from registry.domain.errors import InvalidDocument, InvalidName, NotFound, RegistryError

HEAD, PATIENCE = 8192, 5.0
"""Bytes of a request's head, and seconds it may take to arrive."""

WRITES = 30.0
"""Seconds a part of an answer may take to be taken."""

AT_ONCE, AT_MOST, THREADS = 128, 1024, 4
"""Connections at a time beyond which only probes are answered, and nobody is; and answers that are made at a time."""

JSON, LINES, TAR = "application/json", "application/jsonl", "application/x-tar"
TEXT = "text/plain; charset=utf-8"

REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """content: bytes, or parts of them that are made while they are sent."""

    content: bytes | Iterator[bytes]
    kind: str = JSON
    status: int = 200


Query = Mapping[str, str]
Route = Callable[[Mapping[str, str], Query], Answer]


def line(status: int, text: str) -> Answer:
    """An answer of one line."""
    return Answer(f"{' '.join(text.split())[:300]}\n".encode(), TEXT, status)


BUSY = line(503, "too many ask at a time; ask again later")


@dataclass(frozen=True)
class Routes:
    """Patterns of whole paths, with named groups, and what answers them. The first one that fits counts. quick: those
    that are answered without a thread, as probes are that must not wait."""

    answers: Mapping[str, Route]
    quick: Mapping[str, Route] = field(default_factory=dict)

    def find(self, path: str) -> tuple[Route, Mapping[str, str], bool] | None:
        for quick, routes in ((True, self.quick), (False, self.answers)):
            for pattern, route in routes.items():
                if found := re.fullmatch(pattern, path):
                    return route, found.groupdict(), quick
        return None


class Server:
    """Serves `routes` from a thread of its own."""

    def __init__(self, routes: Routes, *, host: str = "", port: int = 8080) -> None:
        self._routes, self._host, self._port = routes, host, port
        self._loop = asyncio.new_event_loop()
        self._pool = ThreadPoolExecutor(THREADS, "answers")
        self._thread = threading.Thread(target=self._loop.run_forever, name="http", daemon=True)
        self._open = 0
        self.port = 0

    def start(self) -> None:
        """Listen; raises OSError when the port is taken. `port` says which one it is."""
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self.port = listening.result(timeout=30)

    def stop(self) -> None:
        """Hang up on everybody."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop)
        self._thread.join(timeout=5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _hang_up(self) -> None:
        going = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        self._loop.stop()

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._serve, self._host or None, self._port, limit=HEAD)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            answer = BUSY if self._open > AT_MOST else await self._answered(reader)
            await _send(writer, answer, self._pool)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # who asked is gone, or does not read
        except Exception:
            _log.exception("http.failed")
        finally:
            self._open -= 1
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> Answer:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        except asyncio.LimitOverrunError:
            return line(431, f"the head of a request has at most {HEAD} bytes")
        except TimeoutError:
            return line(408, f"a request's head arrives within {PATIENCE:g} s")
        except asyncio.IncompleteReadError:
            return line(400, "a request has a head that ends in an empty line")
        return await self._routed(head)

    async def _routed(self, head: bytes) -> Answer:
        asked = re.fullmatch(rb"([A-Z]+) (/[!-~]*) HTTP/1\.[01]", head.partition(b"\r\n")[0])
        if asked is None:
            return line(400, "wanted GET /path HTTP/1.1")
        if asked[1] != b"GET":
            return line(405, "everything here is read with GET")
        path, _, query = asked[2].decode("ascii").partition("?")
        found = self._routes.find(path)
        if found is None or unquote(path) != path:
            return line(404, "there is no such path")
        route, parts, quick = found
        if self._open > AT_ONCE and not quick:
            return BUSY
        try:
            asks = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=8))
        except ValueError:
            return line(400, "the query is not key=value&key=value")
        if quick:
            return _made(route, parts, asks)
        return await self._loop.run_in_executor(self._pool, _made, route, parts, asks)


def _made(route: Route, parts: Mapping[str, str], query: Query) -> Answer:
    """What a route answers; an error is a line with its status."""
    try:
        return route(parts, query)
    except NotFound as error:
        return line(404, str(error))
    except (InvalidName, ValueError) as error:
        return line(400, str(error))
    except (InvalidDocument, RegistryError, OSError) as error:
        return line(503, str(error))


async def _send(writer: asyncio.StreamWriter, answer: Answer, pool: ThreadPoolExecutor) -> None:
    content = answer.content
    length = f"Content-Length: {len(content)}" if isinstance(content, bytes) else "Transfer-Encoding: chunked"
    head = (
        f"HTTP/1.1 {answer.status} {REASONS[answer.status]}\r\nContent-Type: {answer.kind}\r\n{length}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode())
    if isinstance(content, bytes):
        writer.write(content)
    else:
        await _stream(writer, content, pool)
    await asyncio.wait_for(writer.drain(), WRITES)


async def _stream(writer: asyncio.StreamWriter, parts: Iterable[bytes], pool: ThreadPoolExecutor) -> None:
    """Chunks, each once the one before was taken. An error cuts the answer off, so that nobody takes it for whole."""
    made, loop = iter(parts), asyncio.get_running_loop()
    while (part := await loop.run_in_executor(pool, next, made, None)) is not None:
        if part:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await asyncio.wait_for(writer.drain(), WRITES)
    writer.write(b"0\r\n\r\n")
