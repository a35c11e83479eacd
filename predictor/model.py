"""The KServe model: takes a request of any protocol, and answers it in a thread so that the event loop stays free.

REST and gRPC bring their requests as a `Call`. Receiving happens on the event loop; decoding, the net and encoding
happen together in one hand-off to a thread, because each further one would cost more than the work it moves.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import kserve
import numpy as np

from predictor.classifier import Classifier, Pixels, Probabilities
from predictor.codec import DATATYPES, OUTPUTS, Image, Limits, Query, output_datatype, output_shapes
from predictor.errors import InvalidImage, NotReady
from predictor.image import decode
from predictor.metrics import Metrics, Traffic
from predictor.served import Served
from registry.domain.card import InputSpec

TRAFFIC_HEADER = "x-traffic"

Received = TypeVar("Received")
Answer = TypeVar("Answer", covariant=True)


class Call(Protocol[Received, Answer]):
    """One request of one protocol. All three raise PredictorError for what the client got wrong."""

    async def receive(self) -> Received:
        """All of the request, limits checked."""

    def decode(self, received: Received, limits: Limits) -> Query:
        """What it asks. Runs in a thread."""

    def encode(self, query: Query, probabilities: Probabilities, served: Served) -> Answer:
        """The answer as it goes out. Runs in a thread."""


class GeometryModel(kserve.Model):  # type: ignore[misc]  # kserve ships no types
    """One verified version behind KServe's protocols."""

    def __init__(self, served: Served, metrics: Metrics, *, max_images: int, threads: int) -> None:
        super().__init__(served.model)
        self.served = served
        self.limits = Limits(served.card.input, max_images)
        self._metrics = metrics
        self._threads = threads

    def load(self) -> bool:
        """Build the net from the verified bytes; raises InvalidDocument when it is not what the card says."""
        self._classifier = Classifier(
            self.served.net,
            input=self.limits.input,
            classes=len(self.served.classes),
            interpreters=self._threads,
        )
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="predict")
        self.ready = True
        return self.ready

    async def predict(self, payload: Call[Any, Answer], headers: Mapping[str, str] | None = None) -> Answer:
        """Answer one request and count it. Raises PredictorError; anything else is an internal error."""
        with self._metrics.request(traffic(headers or {})) as request:
            received = await payload.receive()
            request.complete()
            if not self.ready:
                raise NotReady(f"model {self.name} version {self.served.version} is stopping, ask again")
            loop = asyncio.get_running_loop()
            answer, probabilities = await loop.run_in_executor(self._pool, self._answer, payload, received)
            request.answered = probabilities
        return answer

    def _answer(self, call: Call[Received, Answer], received: Received) -> tuple[Answer, Probabilities]:
        query = call.decode(received, self.limits)
        probabilities = self._classifier.classify(pixels(query.images, self.limits.input))
        return call.encode(query, probabilities, self.served), probabilities

    def get_input_types(self) -> list[dict[str, Any]]:
        """v2 metadata. The datatype is what an image file comes as; pixels of the same shape may be UINT8 or FP32."""
        return [{"name": "image", "datatype": DATATYPES[0], "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """v2 metadata."""
        shapes = output_shapes(-1, self.served)
        return [{"name": name, "datatype": output_datatype(name), "shape": shapes[name]} for name in OUTPUTS]


def traffic(headers: Mapping[str, str]) -> Traffic:
    """Only the gateway's route sets `live`; everything else is a test."""
    return "live" if headers.get(TRAFFIC_HEADER) == "live" else "pinned"


def pixels(images: Sequence[Image], spec: InputSpec) -> Pixels:
    """Images as one array (n, height, width, 3); raises InvalidImage naming which one is wrong."""
    return np.stack(
        [_decoded(image, index, spec) if isinstance(image, bytes) else image for index, image in enumerate(images)]
    )


def _decoded(content: bytes, index: int, spec: InputSpec) -> Pixels:
    try:
        return decode(content, width=spec.width, height=spec.height)
    except InvalidImage as error:
        raise InvalidImage(f"image {index}: {error}") from error
