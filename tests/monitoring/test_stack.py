"""The laptop's stack, as far as it can be checked without its images: schema, mounts, and the files that Envoy and
Prometheus read.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from registry.adapters.local.gateway import envoy_binary
from registry.adapters.local.revision import free_port
from tests.monitoring.programs import program
from tests.monitoring.rulefiles import ROOT

STACK = ROOT / "stack"
VARIABLES = {
    "GEOMETRY_HOME": "/home/me/.geometry",
    "MODEL": "shapes",
    "VERSION_DIR": "/home/me/.geometry/store/models/shapes/3",
    "REVISION": "v3",
    "STACK_USER": "1000:1000",
}
TEXT = (STACK / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(
    re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", lambda found: VARIABLES.get(found[1]) or found[3], TEXT)
)
SERVICES = COMPOSE["services"]


def test_the_file_is_what_compose_takes():
    checker = Path(sys.executable).with_name("check-jsonschema")
    checked = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", STACK / "compose.yaml"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_variable_is_set_by_the_script():
    named = set(re.findall(r"\$\{(\w+)", TEXT))
    assert named <= set(re.findall(r"\b([A-Z_]+)=", (STACK / "up").read_text()))


def test_only_the_ports_that_are_told_are_open_and_on_loopback_alone():
    ports = {port for service in SERVICES.values() for port in service.get("ports", ())}
    assert ports == {f"127.0.0.1:{port}:{port}" for port in (3000, 5000, 8000, 9090, 9093)}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_write_nothing_and_gain_nothing(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_images_of_ours_are_those_of_this_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    ours = [image for service in SERVICES.values() if (image := service["image"]).startswith("ml-geometry/")]
    assert len(ours) == 2
    assert all(image.endswith(f":{version}") for image in ours)


def test_envoy_is_the_one_whose_configuration_is_checked_here():
    said = subprocess.run([envoy_binary(), "--version"], capture_output=True, text=True).stdout
    assert f"/{SERVICES['envoy']['image'].rpartition(':v')[2]}/" in said


def test_rules_and_routes_that_are_mounted_are_there():
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    ours = [(STACK / path).resolve() for path in mounted if path.startswith(".")]
    assert (ROOT / "charts/monitoring/files/rules") in ours
    assert all(path.exists() for path in ours if path.name != "dashboards")


def test_envoy_takes_its_configuration():
    checked = subprocess.run(
        [envoy_binary(), "--mode", "validate", "--config-path", STACK / "envoy.yaml"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


@pytest.fixture(scope="module")
def envoy(tmp_path_factory):
    """Envoy as the stack has it, before a server that answers with the headers it was sent."""

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server, port, directory = ThreadingHTTPServer(("127.0.0.1", 0), Echo), free_port(), tmp_path_factory.mktemp("envoy")
    threading.Thread(target=server.serve_forever).start()
    text = (
        (STACK / "envoy.yaml")
        .read_text()
        .replace("address: 0.0.0.0, port_value: 8000", f"address: 127.0.0.1, port_value: {port}")
    )
    text = text.replace("address: predictor, port_value: 8080", f"address: 127.0.0.1, port_value: {server.server_port}")
    (directory / "envoy.yaml").write_text(text)
    with (directory / "log").open("wb") as log:
        command = [envoy_binary(), "--use-dynamic-base-id", "--config-path", directory / "envoy.yaml"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        end = time.monotonic() + 60
        while not answers(client):
            assert time.monotonic() < end, (directory / "log").read_text()
        yield client
    finally:
        process.terminate()
        process.wait(30)
        server.shutdown()
        server.server_close()


def answers(client):
    try:
        return client.get("/health").is_success
    except httpx.HTTPError:
        return False


def test_what_comes_through_envoy_is_live_whatever_the_client_says(envoy):
    seen = envoy.get("/v2/health/ready", headers={"x-traffic": "pinned", "x-revision": "v1"}).json()
    assert seen["x-traffic"] == "live"
    assert "x-revision" not in seen


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/outcomes", "/v2/repository/index", "/v2/repository", "/./metrics", "//metrics", "/x/../outcomes"],
)
def test_what_is_not_public_is_not_found(envoy, path):
    connection = HTTPConnection(envoy.base_url.host, envoy.base_url.port)  # sends a path as it is
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_prometheus_takes_its_configuration(tmp_path):
    text = COMPOSE["configs"]["prometheus"]["content"].replace(
        "/etc/prometheus/rules", str(ROOT / "charts/monitoring/files/rules")
    )
    (tmp_path / "prometheus.yaml").write_text(text)
    checked = subprocess.run(
        [program("promtool"), "check", "config", tmp_path / "prometheus.yaml"], capture_output=True
    )
    assert checked.returncode == 0, checked.stdout


def test_without_a_version_it_says_how_to_make_one(tmp_path):
    refused = subprocess.run(
        [STACK / "up"], env={**os.environ, "GEOMETRY_HOME": str(tmp_path)}, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "`make train` makes one" in refused.stderr
