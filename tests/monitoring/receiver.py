"""Who is told: a webhook of Alertmanager's that remembers which alerts it was told of, and when first."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """told: each alert that fired, as (name, severity, service), with the monotonic time of its first notification."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: dict[tuple[str, str, str], float] = {}
        self.summaries: list[str] = []

    def take(self, notification: dict[str, list[dict[str, dict[str, str]]]]) -> None:
        for alert in notification["alerts"]:
            labels = alert["labels"]
            if alert["status"] == "firing":
                key = (labels["alertname"], labels["severity"], labels.get("service", ""))
                if key not in self.told:
                    self.summaries.append(alert["annotations"]["summary"])
                self.told.setdefault(key, time.monotonic())


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own, as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.take(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
