"""What people type: curl, which names a form as content type unless it is told another."""

import json
import subprocess
from email.parser import BytesParser
from pathlib import Path

import pytest

from tests.predictor.conftest import RunningServer
from tests.predictor.protocols import answers
from tests.predictor.protocols.conftest import Right

V1, V2 = "/v1/models/shapes:predict", "/v2/models/shapes/infer"
CONTENT_TYPES: dict[str, list[str]] = {
    "as curl does": [],
    "JSON": ["-H", "Content-Type: application/json"],
    "none": ["-H", "Content-Type:"],
}


def curl(url: str, *options: str) -> tuple[dict[str, object], dict[str, str]]:
    """Document and headers of a good answer."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--include", "--max-time", "20", *options, url]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    head, body = done.stdout.split(b"\r\n\r\n", 1)
    headers = BytesParser().parsebytes(head.split(b"\r\n", 1)[1])
    return json.loads(body), {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_curl_asks_v1(server: RunningServer, texts: list[str], right: Right, content_type: str) -> None:
    body = json.dumps({"instances": [{"image_bytes": {"b64": texts[0]}}]})
    right(answers.v1(*curl(server.url + V1, "-d", body, *CONTENT_TYPES[content_type])))


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_curl_asks_v2(server: RunningServer, texts: list[str], right: Right, content_type: str) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": texts[:1]}
    right(answers.v2(*curl(server.url + V2, "-d", json.dumps({"inputs": [tensor]}), *CONTENT_TYPES[content_type])))


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream"])
def test_curl_sends_a_file_as_it_is(server: RunningServer, file: Path, right: Right, content_type: str) -> None:
    options = ["--data-binary", f"@{file}", "-H", f"Content-Type: {content_type}"]
    right(answers.v1(*curl(server.url + V1, *options)))


def test_curl_sends_a_file_and_says_nothing_of_it(server: RunningServer, file: Path, right: Right) -> None:
    right(answers.v1(*curl(server.url + V1, "--data-binary", f"@{file}")))


def test_curl_uploads_a_form(server: RunningServer, file: Path, right: Right) -> None:
    right(answers.plain(*curl(f"{server.url}/predict", "-F", f"file=@{file}")))
    right(answers.plain(*curl(f"{server.url}/predict/batch", "-F", f"files=@{file}")))
