"""The HTTP edge: in front of KServe's own routes, on the same port.

It answers the predictions itself, with limits and with errors of ours, shows readiness as it is, hides what KServe
offers for changing models over the network, and leaves the rest (metadata, liveness, metrics) to KServe. Every answer
carries the request's id and who answered.
"""

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from predictor.classifier import Probabilities
from predictor.codec import Limits, Query, v1_answer, v1_query, v2_answer, v2_query
from predictor.errors import (
    INTERNAL,
    BadRequest,
    ClientGone,
    NotFound,
    NotSupported,
    PredictorError,
    TooLarge,
    WrongMethod,
)
from predictor.model import TRAFFIC_HEADER, GeometryModel
from predictor.served import Served

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = dict[bytes, bytes]
Protocol = Literal["v1", "v2"]

# TF Serving and KServe place a version between the model's name and what is wanted of it.
_MODEL = re.compile(
    r"/(?P<protocol>v1|v2)/models/(?P<model>[^/:]+)(/versions/(?P<version>[^/:]+))?(?P<wanted>[/:].*)?", re.DOTALL
)
_PREDICT = {"v1": ":predict", "v2": "/infer"}
_HIDDEN = re.compile(r"/v2/repository(/.*)?")
_READY = ("/health", "/v2/health/ready")
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_JSON = (b"content-type", b"application/json")

log = logging.getLogger("predictor")


@dataclass(frozen=True)
class HttpCall:
    """A prediction over REST. `refusal`: what is wrong with its address, raised instead of reading its body."""

    protocol: Protocol
    headers: Headers
    receive_message: Receive
    max_body: int
    refusal: PredictorError | None = None

    async def receive(self) -> bytes:
        """The body; raises the refusal, TooLarge as soon as it is known to be, or ClientGone."""
        if self.refusal is not None:
            raise self.refusal
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.max_body:
            raise self._too_large(declared.decode())
        parts, size, more = [], 0, True
        while more:
            message = await self.receive_message()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_body:
                raise self._too_large(f"{size} or more")
            more = message.get("more_body", False)
        return b"".join(parts)

    def decode(self, received: bytes, limits: Limits) -> Query:
        """The question in the body."""
        if self.protocol == "v1":
            return v1_query(received, self.headers.get(b"content-type", b"").decode("latin-1"), limits)
        if b"inference-header-content-length" in self.headers:
            raise BadRequest("found binary tensors, wanted JSON with images in base64 (gRPC takes raw tensors)")
        return v2_query(received, limits)

    def encode(self, query: Query, probabilities: Probabilities, served: Served) -> bytes:
        """The body of the answer."""
        return v1_answer(probabilities, served) if self.protocol == "v1" else v2_answer(query, probabilities, served)

    def _too_large(self, found: str) -> TooLarge:
        return TooLarge(f"body: found {found} bytes, wanted at most {self.max_body}")


class Edge:
    """The ASGI application that stands before KServe's."""

    def __init__(self, model: GeometryModel, kserve: App, *, max_body: int) -> None:
        self._model = model
        self._kserve = kserve
        self._max_body = max_body
        served = model.served
        self._who = [(b"x-model-version", served.version.encode()), (b"x-model-digest", served.digest.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it to KServe."""
        if scope["type"] != "http":
            await self._kserve(scope, receive, send)
            return
        headers: Headers = dict(scope["headers"])
        request_id = _request_id(headers)
        signed = _with_headers(send, [(b"x-request-id", request_id), *self._who])
        try:
            await self._answer(scope, headers, receive, signed)
        except PredictorError as error:
            await _refuse(signed, error.status, str(error), request_id)
        except ClientGone:
            return
        except Exception:
            log.exception("predict.failed request=%s path=%s", request_id.decode(), scope["path"])
            await _refuse(signed, 500, f"{INTERNAL} error", request_id)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        path = scope["path"]
        match = _MODEL.fullmatch(path)
        if match is not None:
            await self._answer_model(match, scope, headers, receive, send)
        elif path in _READY:
            await _respond(send, 200 if self._model.ready else 503, _json({"ready": self._model.ready}))
        elif _HIDDEN.fullmatch(path):
            raise NotFound("no such route: versions are not loaded or unloaded over the network")
        else:
            await self._kserve(scope, receive, send)

    async def _answer_model(
        self, match: re.Match[str], scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        protocol: Protocol = "v1" if match["protocol"] == "v1" else "v2"
        refusal = self._refusal(match)
        if match["wanted"] == _PREDICT[protocol]:
            if scope["method"] != "POST":
                refusal = WrongMethod(f"found {scope['method']}, wanted POST")
            call = HttpCall(protocol, headers, receive, self._max_body, refusal)
            await _respond(send, 200, await self._model.predict(call, _text(headers)))
        elif refusal is not None:
            raise refusal
        else:
            path = f"/{protocol}/models/{match['model']}{match['wanted'] or ''}"
            await self._kserve({**scope, "path": path}, receive, send)

    def _refusal(self, match: re.Match[str]) -> PredictorError | None:
        served = self._model.served
        if match["model"] != served.model or match["version"] not in (None, served.version):
            return NotFound(f"no such model or version here, wanted {served.model} version {served.version}")
        if match["wanted"] == ":explain":
            return NotSupported("found explain, wanted predict: this model has no explainer")
        return None


def _request_id(headers: Headers) -> bytes:
    """The caller's id when it is 1 to 128 printable characters, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()


def _text(headers: Headers) -> dict[str, str]:
    """What a prediction needs of the headers."""
    return {TRAFFIC_HEADER: headers.get(TRAFFIC_HEADER.encode(), b"").decode("latin-1")}


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def signed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return signed


async def _respond(send: Send, status: int, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length]})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, status: int, error: str, request_id: bytes) -> None:
    await _respond(send, status, _json({"error": error, "request_id": request_id.decode()}))


def _json(document: dict[str, object]) -> bytes:
    return orjson.dumps(document)
