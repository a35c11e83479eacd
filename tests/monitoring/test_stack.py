"""The laptop's stack, as far as it can be checked without its images: schema, mounts, and the files that Envoy and
Prometheus read.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from registry.adapters.local.gateway import envoy_binary
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
