"""Measures the latency of a staging revision over HTTP: one image a request, one request at a time, past the proxy.

The requests are marked as pinned, so that they are no evidence of anything else. What is within the limit is decided in
the domain.
"""

import json
import math
import threading
import time
from dataclasses import dataclass, field

import httpx

from registry.adapters.plain import plain_client
from registry.domain.card import InputSpec
from registry.domain.observation import Latency
from registry.domain.version import Model

WARM_UP = 5
"""Requests before those that count: the first ones pay for a connection and for memory."""

LONGEST = 60.0
"""Seconds a measurement may take; what was not answered by then is missing from its requests."""

_TIMEOUT = 10.0


@dataclass(frozen=True)
class Subject:
    """What is measured: a revision's address, its model, one image as it takes them, and how many requests."""

    url: str
    model: Model
    image: InputSpec
    requests: int


@dataclass
class LatencyProbe:
    """Measures beside the controller's turns: `latency` starts what is new, and has the answer when it is there.

    key: what the measurement is for; another key is another measurement.
    """

    _measured: dict[Model, tuple[str, "_Measurement"]] = field(default_factory=dict)

    def latency(self, key: str, subject: Subject) -> Latency | None:
        """What was measured, None as long as that is not known. Returns at once."""
        known = self._measured.get(subject.model)
        if known is None or known[0] != key:
            known = self._measured[subject.model] = (key, _Measurement(subject))
        return known[1].latency


class _Measurement:
    """One measurement in a thread, which ends with the process."""

    def __init__(self, subject: Subject) -> None:
        self.latency: Latency | None = None
        self._subject = subject
        threading.Thread(target=self._run, name="latency", daemon=True).start()

    def _run(self) -> None:
        self.latency = measure(self._subject)


def measure(subject: Subject, *, seconds: float = LONGEST) -> Latency:
    """Ask so many times, or for so many seconds; whatever does not answer well is counted as failed."""
    head, pixels = _body(subject.image)
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
        "x-traffic": "pinned",
    }
    url, end = f"{subject.url}/v2/models/{subject.model}/infer", time.monotonic() + seconds
    took: list[float] = []
    failed = 0
    with plain_client(timeout=_TIMEOUT, headers=headers) as client:
        for number in range(WARM_UP + subject.requests):
            if time.monotonic() > end:
                break
            begun = time.perf_counter()
            good = _asked(client, url, head + pixels)
            if number >= WARM_UP and good:
                took.append(time.perf_counter() - begun)
            elif number >= WARM_UP:
                failed += 1
    return Latency(len(took) + failed, failed, percentile(took))


def _asked(client: httpx.Client, url: str, body: bytes) -> bool:
    try:
        return client.post(url, content=body).is_success
    except httpx.HTTPError:
        return False


def percentile(took: list[float]) -> float | None:
    """The 99th percentile by nearest rank; None of nothing."""
    return sorted(took)[math.ceil(0.99 * len(took)) - 1] if took else None


def _body(image: InputSpec) -> tuple[bytes, bytes]:
    """An infer request with one image in binary: its JSON and its pixels."""
    pixels = bytes(index % 251 for index in range(image.height * image.width * image.channels))
    tensor = {
        "name": "image",
        "datatype": "UINT8",
        "shape": [1, image.height, image.width, image.channels],
        "parameters": {"binary_data_size": len(pixels)},
    }
    return json.dumps({"inputs": [tensor]}).encode(), pixels
