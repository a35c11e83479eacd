"""The latency of a revision, measured at servers that answer well, badly, slowly or not at all."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from registry.adapters.latency import WARM_UP, LatencyProbe, Subject, measure, percentile
from registry.adapters.local.revision import free_port
from registry.domain.card import InputSpec

IMAGE = InputSpec(8, 4)


class Asked(list[tuple[dict[str, str], bytes]]):
    """What a server was asked."""


@contextmanager
def server(status: Callable[[int], int] = lambda number: 200) -> Iterator[tuple[str, Asked]]:
    """A server that answers its n-th request with `status(n)`, and keeps what it was asked."""
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            asked.append(({**{k.lower(): v for k, v in self.headers.items()}, "path": self.path}, body))
            self.send_response(status(len(asked)))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"http://127.0.0.1:{found.server_address[1]}", asked
    found.shutdown()
    found.server_close()


def subject(url: str, requests: int = 20) -> Subject:
    return Subject(url, "shapes", IMAGE, requests)


def test_every_request_is_one_image_in_binary_and_marked_as_pinned() -> None:
    with server() as (url, asked):
        found = measure(subject(url))
    assert (found.requests, found.failed, len(asked)) == (20, 0, 20 + WARM_UP)
    assert found.p99 is not None
    headers, body = asked[0]
    document = json.loads(body[: int(headers["inference-header-content-length"])])
    assert (headers["path"], headers["x-traffic"]) == ("/v2/models/shapes/infer", "pinned")
    assert document["inputs"][0]["shape"] == [1, 4, 8, 3]
    assert len(body) - int(headers["inference-header-content-length"]) == 4 * 8 * 3


def test_what_is_answered_badly_is_counted_and_the_warm_up_is_not() -> None:
    with server(lambda number: 500 if number <= WARM_UP + 2 else 200) as (url, _):
        found = measure(subject(url))
    assert (found.requests, found.failed) == (20, 2)


def test_nobody_there_is_every_request_failed() -> None:
    found = measure(subject(f"http://127.0.0.1:{free_port()}"))
    assert (found.requests, found.failed, found.p99) == (20, 20, None)


def test_what_is_not_answered_in_time_is_missing() -> None:
    with server() as (url, _):
        assert measure(subject(url), seconds=-1).requests == 0


@pytest.mark.parametrize(("count", "rank"), [(1, 1), (20, 20), (100, 99), (200, 198)])
def test_the_percentile_is_the_nearest_rank(count: int, rank: int) -> None:
    assert percentile([float(number) for number in range(count, 0, -1)]) == rank


def test_a_probe_measures_once_for_a_key_and_again_for_another() -> None:
    with server() as (url, asked):
        probe = LatencyProbe()
        for key in ("a", "a", "b"):
            while probe.latency(key, subject(url)) is None:
                pass
    assert len(asked) == 2 * (20 + WARM_UP)
