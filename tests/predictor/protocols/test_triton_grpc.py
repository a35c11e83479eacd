"""Triton's gRPC client, unmodified (in a process of its own: `tests/fixtures/triton_grpc.py`)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.predictor.conftest import RunningServer
from tests.predictor.protocols.answers import Answer
from tests.predictor.protocols.conftest import Right

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def told(
    server: RunningServer, pictures: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("pictures")
    for index, content in enumerate(pictures[:3]):
        (folder / f"{index}").write_bytes(content)
    command = [sys.executable, "-m", "tests.fixtures.triton_grpc", f"127.0.0.1:{server.grpc}", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("datatype", ["BYTES", "UINT8", "FP32"])
def test_every_datatype_is_told_what_the_net_says(told: dict[str, Any], right: Right, datatype: str) -> None:
    said = told[datatype]
    answer = Answer(**{**said, "probabilities": np.array(said["probabilities"], np.float32)})
    right(answer, 3)
    assert answer.id == "t-2"


def test_everything_is_live_ready_and_described(told: dict[str, Any]) -> None:
    assert (told["live"], told["ready"], told["model ready"]) == (True, True, True)
    assert told["server"]["name"]
    assert (told["model"]["name"], told["model"]["versions"]) == ("shapes", ["1"])
    assert [output["name"] for output in told["model"]["outputs"]] == ["class", "confidence", "probabilities"]


def test_what_triton_has_beyond_the_protocol_does_not_exist(told: dict[str, Any]) -> None:
    assert set(told["refused"].values()) == {"StatusCode.UNIMPLEMENTED"}
