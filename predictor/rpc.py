"""The gRPC edge: `inference.GRPCInferenceService` without the methods that would load and unload models.

KServe's own servicer cannot be used: it offers those, and logs a stack for every bad request.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from predictor.errors import BadRequest, Internal, NotFound, PredictorError, Timeout
from predictor.grpcv2 import read, write
from predictor.metrics import Traffic
from predictor.model import GeometryModel
from predictor.query import Limits, Predictions, Query
from predictor.request_id import HEADER, RequestIds
from predictor.served import Served

SERVICE = "inference.GRPCInferenceService"
METHODS = ("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer")
CONCURRENT = 128
"""Calls of a process at once: gRPC holds their messages, of up to 8 MiB, before anything here sees them."""
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_REASONS = {"overloaded": grpc.StatusCode.RESOURCE_EXHAUSTED, "deadline": grpc.StatusCode.DEADLINE_EXCEEDED}

Context = Any  # grpc.aio.ServicerContext: generic over messages that have no types

log = logging.getLogger("predictor")


class GrpcCall:
    """A prediction over gRPC: what `engine.Call` wants. answered: its answer, or its error."""

    turns_apart = 8  # grpcio accepts one, and looks for the next when the loop has been through a few of its own tasks

    __slots__ = ("_deadline", "_request", "_served", "answered", "received", "request_id", "size", "traffic")

    def __init__(
        self, request: Any, served: Served, *, request_id: str, traffic: Traffic, remaining: float | None
    ) -> None:
        self._request = request
        self._served = served
        self.request_id = request_id
        self.traffic = traffic
        self.size = 0  # its tensors are apart already: there is no text left to parse
        self.received = perf_counter()
        self._deadline = math.inf if remaining is None else self.received + remaining
        self.answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def gone(self) -> bool:
        """Its client cancelled, or its deadline is over: that is no error of ours, and gRPC has told it already."""
        return self.answered.cancelled() or perf_counter() > self._deadline

    def read(self, limits: Limits) -> Query:
        _check_address(self._served, self._request.model_name, self._request.model_version)
        return read(self._request, limits)

    def write(self, query: Query, predictions: Predictions) -> Any:
        return write(query, predictions, self._served)

    def answer(self, answer: Any) -> None:
        self.answered.set_result(answer)

    def refuse(self, error: PredictorError) -> None:
        self.answered.set_exception(error)


class Service:
    """The methods that exist here. metadata: what KServe says of itself."""

    def __init__(self, model: GeometryModel, metadata: Callable[[], dict[str, Any]]) -> None:
        self.served = model.served
        self._model = model
        self._metadata = metadata

    async def answer(self, method: str, request: Any, headers: Mapping[str, Any], context: Context) -> Any:
        """The answer of one of METHODS; raises PredictorError. headers: with the request's id."""
        if method == "ModelInfer":
            return await self._model.predict(
                GrpcCall(
                    request,
                    self.served,
                    request_id=headers[HEADER],
                    traffic="live" if headers.get("x-traffic") == "live" else "pinned",
                    remaining=context.time_remaining(),
                )
            )
        if method == "ServerLive":
            return pb.ServerLiveResponse(live=True)
        if method == "ServerReady":
            return pb.ServerReadyResponse(ready=self._model.ready)
        if method == "ServerMetadata":
            return pb.ServerMetadataResponse(**self._metadata())
        _check_address(self.served, request.name, request.version)
        if method == "ModelReady":
            return pb.ModelReadyResponse(ready=self._model.ready)
        return pb.ModelMetadataResponse(**self._model.metadata())


class GrpcServer:
    """One process's server. receive_timeout: seconds for a message. shared: other processes have the same port."""

    def __init__(
        self,
        service: Service,
        *,
        address: str,
        max_message: int,
        receive_timeout: float,
        grace: float,
        shared: bool,
    ) -> None:
        self._service = service
        self._ids = RequestIds()
        served = service.served
        self._who = (("x-model-version", served.version), ("x-model-digest", served.digest))
        self._address = address
        self._grace = grace
        self._receive_timeout = receive_timeout
        self._options = [
            ("grpc.max_send_message_length", max_message),
            ("grpc.max_receive_message_length", max_message),
            ("grpc.max_concurrent_streams", CONCURRENT),
            ("grpc.so_reuseport", int(shared)),
        ]

    async def start(self) -> None:
        """Open the port."""
        self._server = grpc.aio.server(options=self._options, maximum_concurrent_rpcs=CONCURRENT)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._server.add_insecure_port(self._address)
        await self._server.start()

    async def stop(self) -> None:
        """Take no more requests and finish those that are here."""
        await self._server.stop(self._grace)

    def _handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                # A stream of one message is the same on the wire, and its arrival can be waited for with a limit.
                method: grpc.stream_unary_rpc_method_handler(
                    self._handler(method),
                    # Parsed in the handler: what grpcio says of bytes that are no message is a stack in the log.
                    request_deserializer=None,
                    response_serializer=getattr(pb, f"{method}Response").SerializeToString,
                )
                for method in METHODS
            },
        )

    def _handler(self, method: str) -> Callable[[Any, Context], Awaitable[Any]]:
        """The service's method with the request's id and who answered in the metadata, and errors as gRPC's codes."""

        parse = getattr(pb, f"{method}Request").FromString

        async def handler(_messages: Any, context: Context) -> Any:
            headers = dict(context.invocation_metadata() or ())
            given = headers.get(HEADER)
            request_id = headers[HEADER] = self._ids.of(given.encode() if isinstance(given, str) else None)
            try:
                # At the end of the answer: sent before it, this would be a second answer for every message.
                context.set_trailing_metadata(((HEADER, request_id), *self._who))
                return await self._answer(method, parse, headers, context)
            except grpc.aio.InternalError:
                # What grpcio says when the client left meanwhile; it logs a stack of all but a cancellation.
                raise asyncio.CancelledError from None

        return handler

    async def _answer(
        self, method: str, parse: Callable[[bytes], Any], headers: Mapping[str, Any], context: Context
    ) -> Any:
        try:
            message = await self._receive(context)
            return await self._service.answer(method, _parsed(parse, message), headers, context)
        except PredictorError as error:
            await context.abort(_code(error), str(error))
        except Exception:
            log.exception("request.failed request=%s method=%s", headers[HEADER], method)
            await context.abort(grpc.StatusCode.INTERNAL, str(Internal()))

    async def _receive(self, context: Context) -> bytes:
        try:
            async with asyncio.timeout(self._receive_timeout):
                message = await context.read()
        except TimeoutError:
            raise Timeout(f"message: found no end of it in {self._receive_timeout:g} s") from None
        if message is grpc.aio.EOF:
            raise BadRequest("message: found none, wanted one")
        return bytes(message)


def _parsed(parse: Callable[[bytes], Any], message: bytes) -> Any:
    try:
        return parse(message)
    except DecodeError:
        raise BadRequest(f"message: found {len(message)} bytes that are no message of this method") from None


def _code(error: PredictorError) -> grpc.StatusCode:
    return _REASONS.get(error.reason) or _CODES.get(error.status, grpc.StatusCode.INTERNAL)


def _check_address(served: Served, name: str, version: str) -> None:
    if name != served.model or version not in ("", served.version):
        raise NotFound(f"no such model or version here, wanted {served.model} version {served.version}")
