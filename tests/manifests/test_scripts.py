"""The scripts that bring a cluster up, as far as they go without one."""

import json
import os
import subprocess

import pytest

from tests.manifests.rendered import ROOT

SCRIPTS = sorted(path for path in (ROOT / "cluster").iterdir() if not path.suffix)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run(path):
    assert os.access(path, os.X_OK)
    first = path.read_text().splitlines()[0]
    assert first in ("#!/usr/bin/env bash", "#!/usr/bin/env python3")
    if first.endswith("bash"):
        subprocess.run(["bash", "-n", path], check=True)


def test_kserve_is_set_to_standard_mode_and_keeps_everything_else():
    data = {
        "deploy": '{"defaultDeploymentMode": "Knative", "kept": 1}',
        "ingress": '{"enableGatewayApi": false, "ingressDomain": "example.com"}',
        "logger": "{}",
    }
    found = {"metadata": {"name": "inferenceservice-config", "namespace": "kserve", "uid": "1"}, "data": data}
    ran = subprocess.run(
        [ROOT / "cluster/standard-mode"], input=json.dumps(found), capture_output=True, text=True, check=True
    )
    made = json.loads(ran.stdout)
    assert made["metadata"] == {"name": "inferenceservice-config", "namespace": "kserve"}
    assert json.loads(made["data"]["deploy"]) == {"defaultDeploymentMode": "Standard", "kept": 1}
    ingress = json.loads(made["data"]["ingress"])
    assert (ingress["enableGatewayApi"], ingress["ingressDomain"]) == (True, "example.com")
    assert set(made["data"]) == {"deploy", "ingress"}


def test_a_missing_tool_is_named_with_what_is_wanted(tmp_path):
    for tool in ("bash", "dirname", "env"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    ran = subprocess.run(
        [ROOT / "cluster/up"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "docker is not installed; wanted docker, kind (0.30 or newer) and kubectl (1.32 or newer)" in ran.stderr
