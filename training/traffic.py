"""Image traffic for a live route: rendered shapes over a few connections that stay open, at a pace or flat out.


It counts which version answered each request, and keeps what went wrong; nothing is sent twice to hide a failure.
"""

import asyncio
import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

from training.shapes import CLASSES, render_many

CONNECTIONS = 8
ANSWER = 10.0
"""Seconds after which a request counts as failed."""


@dataclass
class Tally:
    """Answers per version, right ones among them, and one line per failed request."""

    answers: Counter[str] = field(default_factory=Counter)
    right: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return sum(self.answers.values()) + len(self.failures)


@dataclass(frozen=True)
class Shot:
    """One prepared request, and the class that is right."""

    request: bytes
    label: str


def shots(url: str, model: str, *, seed: int, count: int) -> tuple[Shot, ...]:
    """KServe v1 requests of one rendered image each."""
    return tuple(Shot(_request(url, model, image.content), CLASSES[image.label]) for image in render_many(seed, count))


def _request(url: str, model: str, image: bytes) -> bytes:
    body = json.dumps({"instances": [{"image": {"b64": base64.b64encode(image).decode()}}]}).encode()
    head = (
        f"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def capacity(url: str, prepared: Sequence[Shot], *, seconds: float) -> float:
    """Answers per second when every connection asks again at once."""
    tally, start = Tally(), time.monotonic()
    asyncio.run(_drive(url, prepared, tally, rate=None, stop=lambda: time.monotonic() - start > seconds))
    return sum(tally.answers.values()) / (time.monotonic() - start)


@contextmanager
def flowing(url: str, prepared: Sequence[Shot], *, rate: float) -> Iterator[Tally]:
    """Traffic of `rate` requests a second, in a thread of its own, as long as the context lasts."""
    tally, ended = Tally(), threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_drive(url, prepared, tally, rate=rate, stop=ended.is_set)), name="traffic"
    )
    thread.start()
    try:
        yield tally
    finally:
        ended.set()
        thread.join()


async def _drive(
    url: str, prepared: Sequence[Shot], tally: Tally, *, rate: float | None, stop: Callable[[], bool]
) -> None:
    """Each connection takes every n-th moment of the schedule; one that falls behind sends at once."""
    start, turn = time.monotonic(), cycle(prepared)

    async def connection(place: int) -> None:
        sent = 0
        wire = _Wire(url)
        while not stop():
            if rate is not None:
                due = start + (place + sent * CONNECTIONS) / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            sent += 1
            await _ask(wire, next(turn), tally)
        wire.close()

    await asyncio.gather(*(connection(place) for place in range(CONNECTIONS)))


async def _ask(wire: "_Wire", shot: Shot, tally: Tally) -> None:
    try:
        status, body = await asyncio.wait_for(wire.ask(shot.request), ANSWER)
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        wire.close()
        tally.failures.append(f"no answer: {type(error).__name__}")
        return
    if status != 200:
        tally.failures.append(f"{status}: {body[:200].decode(errors='replace')}")
        return
    answer = json.loads(body)
    tally.answers[answer["model_version"]] += 1
    tally.right += answer["predictions"][0]["class"] == shot.label


class _Wire:
    """One HTTP/1.1 connection, opened when it is needed."""

    def __init__(self, url: str) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body; raises OSError, EOFError or ValueError."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(lines["content-length"]))
        if lines.get("connection") == "close":
            self.close()
        return int(head.split(" ", 2)[1]), body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
