"""The Envoy of an installation, with real requests."""

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import grpc
import pytest

from registry.adapters.local.envoy import Backend, Ports
from registry.adapters.local.gateway import Gateway
from registry.adapters.local.revision import free_port
from registry.adapters.local.workloads import routes
from registry.domain.errors import InvalidDocument, Unreachable
from registry.domain.journal import Anchor
from registry.domain.objects import render
from registry.domain.policy import Serving

METHOD = "/inference.GRPCInferenceService/ModelReady"


@pytest.fixture
def gateway(tmp_path):
    ports = Ports(public=free_port(), pinned=free_port(), admin=free_port())
    made = Gateway(directory=tmp_path / "envoy", logs=tmp_path, ports=ports)
    yield made
    made.stop(datetime.now(UTC))
    assert made.child.wait(timeout=10)
    made.proxy.close()


@pytest.fixture
def started(gateway):
    gateway.start(datetime.now(UTC))
    return gateway


@pytest.fixture
def grpc_port():
    """A server that answers every method with the metadata it got."""

    class Any(grpc.GenericRpcHandler):
        def service(self, details):
            seen = dict(details.invocation_metadata)
            return grpc.unary_unary_rpc_method_handler(lambda request, context: seen["x-traffic"].encode())

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Any()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@pytest.mark.parametrize(("name", "option"), [("public", "--port"), ("pinned", "--pinned-port")])
def test_a_taken_port_is_named_with_the_way_to_change_it(tmp_path, name, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = Ports(**{"public": free_port(), "pinned": free_port(), "admin": free_port(), name: port})
        gateway = Gateway(directory=tmp_path / "envoy", logs=tmp_path, ports=ports, handover=0.05)
        with pytest.raises(Unreachable, match=rf"port {port} .*lsof .*`geometry local up {option} N`"):
            gateway.start(datetime.now(UTC))


def test_without_a_route_the_answer_says_so(started, post):
    status, headers, document = post(started.ports.public)
    assert (status, headers["retry-after"]) == (503, "1")
    assert document == {"error": "no version is in production here yet"}


def test_grpc_and_rest_share_a_port(started, grpc_port, templates, release, until):
    objects = render(release(("3", 100)), templates, Serving())
    with grpc.insecure_channel(f"127.0.0.1:{started.ports.public}") as channel:
        started.write_clusters([Backend("shapes-v3-predictor", free_port(), grpc_port)])
        until(lambda: "live-shapes-v3-grpc" in started.applied().clusters)
        started.write_routes(live={"shapes": routes(objects, live=True)}, pinned={})
        until(lambda: len(started.applied().live["virtual_hosts"]) == 2)
        answer, call = channel.unary_unary(METHOD).with_call(b"", timeout=10, wait_for_ready=True)
    assert answer == b"live"
    assert ("x-revision", "v3") in call.initial_metadata()


def test_a_file_envoy_refuses_leaves_the_last_good_one(started, until):
    before = started.applied()
    (started.directory / "aside").write_text('{"resources": [{"wrong": true}]}')
    (started.directory / "aside").rename(started.directory / "live.json")
    failed = "http.live.rds.live.update_failure: 1"
    until(lambda: failed in started.proxy._client.get("/stats", params={"filter": "update_failure"}).text)
    assert started.applied() == before


def test_anchors_outlive_the_gateway(gateway, tmp_path):
    gateway.directory.mkdir()
    for model, sequence in (("shapes", 17), ("digits", 3), ("shapes", 18)):
        gateway.write_anchor(model, Anchor(sequence, "a" * 64))
    again = Gateway(directory=gateway.directory, logs=tmp_path, ports=gateway.ports)
    assert again.anchors() == {"shapes": Anchor(18, "a" * 64), "digits": Anchor(3, "a" * 64)}


@pytest.mark.parametrize("damaged", [b"", b"[]", b'{"shapes": 3}', b'{"shapes": "17"}'])
def test_a_damaged_anchor_is_no_missing_anchor(gateway, damaged):
    gateway.directory.mkdir()
    (gateway.directory / "anchor.json").write_bytes(damaged)
    with pytest.raises(InvalidDocument, match="anchor"):
        gateway.anchors()


def test_a_silent_envoy_is_none_not_empty(gateway):
    assert gateway.applied() is None
    assert gateway.proxy.active_requests(["live-shapes-v3"]) is None
