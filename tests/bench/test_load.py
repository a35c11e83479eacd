"""The load generator against real servers on loopback: what it counts is what happened."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import grpc
import pytest

from tests.bench.forms import http1
from tests.bench.http2 import call
from tests.bench.load import Plan, offsets, run

STATUS = {"/good": 200, "/busy": 503, "/broken": 500}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Head and body go out apart, so that no answer comes in one piece. `/gone`: half an answer."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(STATUS.get(self.path, 200))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.flush()
        self.wfile.write(body[:1] if self.path == "/gone" else body)
        self.close_connection = self.path == "/gone"

    def log_message(self, *arguments) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def http() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/echo":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request)
        return None


@pytest.fixture(scope="module")
def rpc() -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(0)


def plan(port: int, *requests: bytes, **more) -> Plan:
    return Plan(**{"port": port, "requests": requests, "seconds": 0.4, "connections": 4, "warm": 0.0} | more)


def test_a_closed_loop_counts_every_good_answer(http):
    seen = run(plan(http, http1("POST", "/good", b"x" * 300_000), http1("POST", "/good", b"y")))
    assert seen.done == len(seen.good) > 0
    assert not seen.errors
    assert not seen.refused
    assert min(seen.good) > 0


def test_an_open_loop_sends_what_is_due_and_no_more(http):
    asked = plan(http, http1("POST", "/good", b"x"), rate=200, warm=0.1)
    seen = run(asked)
    assert len(seen.good) == sum(offset >= 0.1 for offset in offsets(asked))
    assert seen.answers == len(offsets(asked))
    assert not seen.errors


def test_arrivals_are_the_same_for_every_server():
    one, same, other = (offsets(plan(1, b"", rate=500, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_probes_come_evenly_on_connections_of_their_own(http):
    seen = run(plan(http, http1("POST", "/good", b"x"), rate=100, connections=0, most=9, arrivals="even", fresh=True))
    assert (len(seen.good), seen.errors) == (40, {})


@pytest.mark.parametrize("rate", [None, 100])
def test_refusals_and_errors_are_no_good_answers(http, rate):
    busy = run(plan(http, http1("POST", "/busy", b"x"), rate=rate))
    assert busy.refused
    assert not busy.good
    broken = run(plan(http, http1("POST", "/broken", b"x"), rate=rate))
    assert broken.errors["500"] == broken.answers


@pytest.mark.parametrize("rate", [None, 100])
def test_half_an_answer_is_an_error_and_the_loop_goes_on(http, rate):
    seen = run(plan(http, http1("POST", "/gone", b"12"), http1("POST", "/good", b"x"), rate=rate))
    assert seen.errors["connection closed or answer broken"] > 0
    assert seen.good


def test_grpc_calls_larger_than_a_frame_are_answered_one_after_the_other(rpc):
    seen = run(plan(rpc, call("/echo", b"x" * 50_000), call("/echo", b"y"), protocol="grpc"))
    assert seen.good
    assert not seen.errors
    assert not seen.refused


def test_a_grpc_error_is_no_good_answer(rpc):
    seen = run(plan(rpc, call("/unknown", b"x"), protocol="grpc"))
    assert seen.refused
    assert not seen.good
