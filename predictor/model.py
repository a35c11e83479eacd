"""The KServe model: one verified version, its net, and the engine that answers with it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import kserve

from predictor.classifier import Classifier
from predictor.engine import Call, Engine
from predictor.metrics import Metrics
from predictor.query import OUTPUTS, Limits
from predictor.served import Served
from predictor.tensors import DATATYPES, output_datatype, output_shape
from registry.domain.card import Slo

INTERPRETERS = 2
"""One for the event loop, one for the thread beside it."""
PLATFORM = "litert"
PATIENCE = 5
"""Queued longer than so many times its latency objective, an answer is worth nothing to most clients."""


class Awaited(Call, Protocol):
    """A call whose answer is awaited, or its error."""

    answered: asyncio.Future[Any]


class GeometryModel(kserve.Model):  # type: ignore[misc]  # kserve ships no types
    """A verified version behind KServe's protocols. max_wait: seconds; None for what the version's card makes sane."""

    def __init__(self, served: Served, metrics: Metrics, limits: Limits, *, max_wait: float | None) -> None:
        super().__init__(served.model)
        self.served = served
        self.limits = limits
        self.metrics = metrics
        self.engine: Engine
        self._max_wait = PATIENCE * (served.card.slo or Slo()).latency_seconds if max_wait is None else max_wait

    def load(self) -> bool:
        """Build the net from the verified bytes; raises InvalidDocument when it is not what the card says."""
        self._classifier = Classifier(
            self.served.net,
            input=self.limits.input,
            classes=len(self.served.classes),
            interpreters=INTERPRETERS,
        )
        self.ready = True
        return self.ready

    def open(self) -> Engine:
        """Make the engine, on the event loop that runs: once a process."""
        self.engine = Engine(self._classifier, self.limits, self.metrics, max_wait=self._max_wait)
        return self.engine

    async def predict(self, payload: Awaited, _headers: Mapping[str, str] | None = None) -> Any:
        """Answer one call whose answer can be awaited; raises PredictorError."""
        self.engine.submit(payload)
        return await payload.answered

    def metadata(self) -> dict[str, Any]:
        """v2 metadata of the model, for REST and gRPC."""
        return {
            "name": self.name,
            "versions": [self.served.version],
            "platform": PLATFORM,
            "inputs": self.get_input_types(),
            "outputs": self.get_output_types(),
        }

    def get_input_types(self) -> list[dict[str, Any]]:
        """v2 metadata. The datatype is what an image file comes as; pixels of the same shape may be UINT8 or FP32."""
        return [{"name": "image", "datatype": DATATYPES[0], "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """v2 metadata."""
        return [
            {"name": name, "datatype": output_datatype(name), "shape": output_shape(name, -1, self.served)}
            for name in OUTPUTS
        ]
