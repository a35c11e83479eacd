"""Starting and stopping the program itself."""

import socket
from pathlib import Path

import httpx

from tests.fixtures.versions import publish_tiny
from tests.predictor.conftest import RunningServer


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_changed_file_is_named_and_no_port_opens(tmp_path: Path) -> None:
    publish_tiny(tmp_path)
    net = tmp_path / "store/models/shapes/1/model.tflite"
    content = bytearray(net.read_bytes())
    content[-1] ^= 1
    net.write_bytes(content)
    server = RunningServer(tmp_path)
    assert server.wait() == 3
    assert len(server.log) == 1
    assert f"predictor: {net}: found sha256" in server.log[0]
    assert not is_open(server.http)
    assert not is_open(server.grpc)


def test_a_variant_that_the_version_has_not_is_named_and_no_port_opens(home: Path) -> None:
    server = RunningServer(home, GEOMETRY_VARIANT="int8")
    assert server.wait() == 3
    assert server.log == [f"predictor: {home}/store/models/shapes/1: offers fp32, --variant wants int8\n"]
    assert not is_open(server.http)


def test_a_taken_port_ends_it_with_the_flag_to_choose_another(home: Path, server: RunningServer) -> None:
    other = RunningServer(home, "--grpc_port", str(server.grpc))
    assert other.wait() == 1
    found = f"127.0.0.1:{server.grpc}: cannot be opened (Address already in use)"
    assert other.log[-1] == f"predictor: {found}, choose another port with --grpc_port\n"
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_a_signal_ends_it_after_what_is_in_flight(home: Path, png: bytes) -> None:
    server = RunningServer(home, "--model_name", "shapes")
    with socket.create_connection(("127.0.0.1", server.http)) as client:
        head = f"POST /v1/models/shapes:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(png)}\r\n"
        client.sendall(head.encode() + b"Content-Type: image/png\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 100")
        server.process.terminate()
        assert server.stopping.wait(20)
        client.sendall(png)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.wait() == 0
    assert not [line for line in server.log if "Traceback" in line]
