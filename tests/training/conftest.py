"""MLflow as training meets it: a database, and a server that dies."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Server(ThreadingHTTPServer):
    """As much of MLflow's REST protocol as starting a run and logging into it takes. deadly: what must be in a request
    for the server to die of it."""

    def __init__(self, deadly: bytes | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.deadly = deadly
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def die(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def _answer(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.deadly is not None and self.server.deadly in asked:
            self.server.die()
            return
        info = {"run_id": "a" * 32, "run_uuid": "a" * 32, "experiment_id": "1", "status": "RUNNING", "artifact_uri": ""}
        run = {"run": {"info": info, "data": {}, "inputs": {}, "outputs": {}}}
        answers: dict[str, Any] = {
            "get-by-name": {"experiment": {"experiment_id": "1", "name": "shapes", "lifecycle_stage": "active"}},
            "create": run,
            "update": {"run_info": info},
            "get": run,
        }
        content = json.dumps(answers.get(self.path.partition("?")[0].rpartition("/")[2], {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - names that http.server wants

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def mlflow_server(*, deadly: bytes | None = None) -> Iterator[Server]:
    server = Server(deadly)
    try:
        yield server
    finally:
        server.die()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that lives as long as the test, unless told to `die`."""
    with mlflow_server() as found:
        yield found


@pytest.fixture
def dying_server() -> Iterator[Server]:
    """A server that dies of the first epoch's metrics."""
    with mlflow_server(deadly=b"val_loss") as found:
        yield found


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One schema for all tests: making it takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
