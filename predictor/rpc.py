"""The gRPC edge: `inference.GRPCInferenceService` without the methods that would load and unload models.

KServe's own servicer cannot be used: it offers those, and logs a stack for every bad request.
"""

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from predictor import grpcv2
from predictor.errors import INTERNAL, NotFound, PredictorError
from predictor.model import GeometryModel
from predictor.query import Limits, Predictions, Probabilities, Query
from predictor.served import Served

SERVICE = "inference.GRPCInferenceService"
METHODS = ("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer")
REQUEST_ID = "x-request-id"
_ID = re.compile(r"[!-~]{1,128}")
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}

Context = Any  # grpc.aio.ServicerContext: generic over messages that have no types

log = logging.getLogger("predictor")


@dataclass(frozen=True)
class GrpcCall:
    """A prediction over gRPC."""

    request: Any
    model: GeometryModel

    async def receive(self) -> Any:
        """The message, which gRPC has read already; raises NotFound when it asks for another model or version."""
        _check_address(self.model.served, self.request.model_name, self.request.model_version)
        return self.request

    def decode(self, received: Any, limits: Limits) -> Query:
        """The question in the message."""
        return grpcv2.read(received, limits)

    def encode(self, query: Query, probabilities: Probabilities, served: Served) -> Any:
        """The answer as a message."""
        return grpcv2.write(query, Predictions.of(probabilities), served)


@dataclass(frozen=True)
class Service:
    """The methods that exist here. `metadata`: what KServe says of itself."""

    model: GeometryModel
    metadata: Callable[[], dict[str, Any]]

    async def answer(self, method: str, request: Any, headers: Mapping[str, str]) -> Any:
        """The answer of one of METHODS; raises PredictorError."""
        model = self.model
        if method == "ModelInfer":
            return await model.predict(GrpcCall(request, model), headers)
        if method == "ServerLive":
            return pb.ServerLiveResponse(live=True)
        if method == "ServerReady":
            return pb.ServerReadyResponse(ready=model.ready)
        if method == "ServerMetadata":
            return pb.ServerMetadataResponse(**self.metadata())
        _check_address(model.served, request.name, request.version)
        if method == "ModelReady":
            return pb.ModelReadyResponse(ready=model.ready)
        return pb.ModelMetadataResponse(
            name=model.name,
            versions=[model.served.version],
            inputs=model.get_input_types(),
            outputs=model.get_output_types(),
        )


class GrpcServer:
    """Serves until stopped. `start` and `stop` are what KServe's ModelServer calls."""

    def __init__(self, service: Service, served: Served, *, address: str, max_message: int, grace: float) -> None:
        self._service = service
        self._who = tuple((f"x-model-{name}", text) for name, text in _who(served).items())
        self._address = address
        self._grace = grace
        self._options = [
            ("grpc.max_send_message_length", max_message),
            ("grpc.max_receive_message_length", max_message),
            # Without this two servers could share a port without either knowing.
            ("grpc.so_reuseport", 0),
        ]

    async def start(self) -> None:
        """Open the port and serve until stopped."""
        self._server = grpc.aio.server(options=self._options)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._server.add_insecure_port(self._address)
        await self._server.start()
        await self._server.wait_for_termination()

    async def stop(self, _signal: int | None = None) -> None:
        """Take no more requests and finish those that are here."""
        await self._server.stop(self._grace)

    def _handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                method: grpc.unary_unary_rpc_method_handler(
                    self._handler(method),
                    request_deserializer=getattr(pb, f"{method}Request").FromString,
                    response_serializer=getattr(pb, f"{method}Response").SerializeToString,
                )
                for method in METHODS
            },
        )

    def _handler(self, method: str) -> Callable[[Any, Context], Awaitable[Any]]:
        """The service's method with the request's id and who answered in the metadata, and errors as gRPC's codes."""

        async def handler(request: Any, context: Context) -> Any:
            headers = {key: str(value) for key, value in context.invocation_metadata() or ()}
            request_id = _request_id(headers)
            await context.send_initial_metadata(((REQUEST_ID, request_id), *self._who))
            try:
                return await self._service.answer(method, request, headers)
            except PredictorError as error:
                await context.abort(_CODES[error.status], str(error))
            except Exception:
                log.exception("predict.failed request=%s method=%s", request_id, method)
                await context.abort(grpc.StatusCode.INTERNAL, f"{INTERNAL} error")

        return handler


def _check_address(served: Served, name: str, version: str) -> None:
    if name != served.model or version not in ("", served.version):
        raise NotFound(f"no such model or version here, wanted {served.model} version {served.version}")


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _who(served: Served) -> dict[str, str]:
    return {"version": served.version, "digest": served.digest}
