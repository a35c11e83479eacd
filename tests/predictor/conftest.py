"""One real server for all tests of the package, with the tiny net in it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import pytest
from PIL import Image

from predictor.classifier import Classifier, Probabilities
from predictor.image import decode
from predictor.served import Served, open_version
from registry.adapters.local.revision import free_port
from tests.fixtures.versions import publish_tiny

READY, STOPPING = "predictor.ready", "predictor.stopping"


class RunningServer:
    """`python -m predictor`; the constructor returns when all its processes answer, or when it has ended."""

    def __init__(self, home: Path, *arguments: str, version: str = "1", workers: int = 1, **environment: str) -> None:
        self.http, self.grpc = free_port(), free_port()
        flags = {
            "--model_dir": home / "store/models/shapes" / version,
            "--trust": home / "keys",
            "--host": "127.0.0.1",
            "--http_port": self.http,
            "--grpc_port": self.grpc,
            "--workers": workers,
            "--drain": 0,
        }
        command = [sys.executable, "-m", "predictor", *(str(part) for flag in flags.items() for part in flag)]
        self.process = subprocess.Popen(
            [*command, *arguments], stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        self.log: list[str] = []
        lines = iter(self.process.stderr)
        for line in lines:
            self.log.append(line)
            if sum(READY in logged for logged in self.log) == workers:
                break
        self.stopping = Event()
        self._reader = Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def stop(self) -> int:
        """Ask it to end; its exit code, with all of its log read."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait()
        self._reader.join()
        self.process.stderr.close()
        return code

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.log.append(line)
            if STOPPING in line:
                self.stopping.set()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with version 1."""
    home = tmp_path_factory.mktemp("installation")
    publish_tiny(home)
    return home


@pytest.fixture(scope="session")
def served(home: Path) -> Served:
    return open_version(home / "store/models/shapes/1", home / "keys", model=None, digest=None)


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[RunningServer]:
    running = RunningServer(home, workers=2)
    running.first_scrape = httpx.get(f"{running.url}/metrics").text
    yield running
    running.stop()


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def png() -> bytes:
    """A picture of coloured fields, as a file."""
    return _file("PNG")


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    return _file("JPEG")


@pytest.fixture(scope="session")
def expected(served: Served, png: bytes) -> Probabilities:
    """What the net says of `png`, asked without a server; float32 (classes,)."""
    classifier = Classifier(served.net, input=served.card.input, classes=8, interpreters=1)
    return classifier.classify(decode(png, width=64, height=64)[None])[0]


def _file(kind: str) -> bytes:
    fields = np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(fields).resize((64, 64), Image.Resampling.NEAREST).save(file, kind)
    return file.getvalue()


def message(answer: httpx.Response) -> str:
    """The error a client is shown."""
    return str(json.loads(answer.content)["error"])
