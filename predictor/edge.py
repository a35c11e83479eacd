"""The ASGI edge: everything over HTTP that is no prediction, in front of KServe's own routes on the same port.

It shows health, metrics, outcomes and pages, hides what KServe offers for changing models over the network, refuses
what does not exist in one shape of error, and leaves KServe's metadata to KServe. Every answer carries the request's
id and who answered.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from predictor.errors import Internal, NotFound, NotSupported, PredictorError, WrongMethod
from predictor.metrics import Traffic
from predictor.model import GeometryModel
from predictor.pages import Page, Pages
from predictor.request_id import RequestIds

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = dict[bytes, bytes]

# TF Serving and KServe place a version between the model's name and what is wanted of it.
_MODEL = re.compile(
    r"/(?P<protocol>v1|v2)/models/(?P<model>[^/:]+)(/versions/(?P<version>[^/:]+))?(?P<wanted>[/:].*)?", re.DOTALL
)
_PREDICT = {"v1": ":predict", "v2": "/infer"}
_READY = "/ready"
_READABLE = ("GET", "HEAD")
_POSTED = ("/predict", "/predict/batch")
# KServe's own, which say what is here: the rest of its routes is not reached.
_KSERVE = ("/", "/v1/models", "/v2", "/v2/models")

log = logging.getLogger("predictor")


class Edge:
    """The ASGI application that stands before KServe's."""

    def __init__(self, model: GeometryModel, kserve: App) -> None:
        self._model = model
        self._kserve = kserve
        self._ids = RequestIds()
        served = model.served
        self._pages = Pages(served)
        self._made: Mapping[str, Callable[[str, Headers], Page]] = {
            "/health": self._health,
            "/v2/health/ready": lambda _, __: self.readiness(),
            "/v2/health/live": lambda _, __: self.liveness(),
            "/metrics": self._metrics_text,
            "/metrics/summary": lambda _, __: Page.json(model.metrics.summary()),
            "/outcomes": self._outcomes,
            # KServe's own leaves out versions and platform.
            f"/v2/models/{served.model}": lambda _, __: Page.json(model.metadata()),
        }
        self._who = [(b"x-model-version", served.version.encode()), (b"x-model-digest", served.digest.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it to KServe."""
        headers: Headers = dict(scope["headers"])
        request_id = self._ids.of(headers.get(b"x-request-id"))
        signed = _with_headers(send, [(b"x-request-id", request_id.encode()), *self._who])
        try:
            await self._answer(scope, headers, receive, signed)
        except PredictorError as error:
            await _refuse(signed, error, request_id)
        except Exception:
            log.exception("request.failed request=%s path=%s", request_id, scope["path"])
            await _refuse(signed, Internal(), request_id)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/") or "/"
        match = _MODEL.fullmatch(path)
        if match is not None:
            path = self._model_path(match, scope["method"], headers)
        elif path in _POSTED:
            raise WrongMethod(scope["method"], "POST")
        make, page = self._made.get(path), self._pages.get(path)
        if not (make or page or match or path in _KSERVE):
            raise NotFound(f"no such route: found {_shown(path)}; /docs has them all")
        if scope["method"] not in _READABLE:
            raise WrongMethod(scope["method"], ", ".join(_READABLE))
        if make is not None:
            page = make(scope["query_string"].decode("latin-1"), headers)
        if page is not None:
            await _respond(send, page)
        else:
            # KServe knows no HEAD; the server drops the body of an answer to one.
            await self._kserve({**scope, "method": "GET", "path": path}, receive, send)

    def _model_path(self, match: re.Match[str], method: str, headers: Headers) -> str:
        """KServe's path for a question about the model; raises what is wrong with it, and counts wrong predictions."""
        protocol, wanted = match["protocol"], match["wanted"] or ""
        try:
            self._check_model(match)
            if wanted == _PREDICT[protocol]:
                raise WrongMethod(method, "POST")
            if wanted == ":explain":
                raise NotSupported("found explain, wanted predict: this model has no explainer")
            if wanted not in ("", _READY) or (protocol, wanted) == ("v1", _READY):
                raise NotFound(f"no such route: found {_shown(match[0])}; /docs has them all")
        except PredictorError as error:
            if wanted == _PREDICT[protocol]:
                self._model.metrics.refused(traffic(headers), error.reason)
            raise
        return f"/{protocol}/models/{match['model']}{wanted}"

    def _check_model(self, match: re.Match[str]) -> None:
        served = self._model.served
        if match["model"] != served.model or match["version"] not in (None, served.version):
            raise NotFound(f"no such model or version here, wanted {served.model} version {served.version}")

    def _health(self, _: str, __: Headers) -> Page:
        served, ready = self._model.served, self._model.ready
        told = {"status": "ready" if ready else "stopping", "ready": ready}
        return Page.json(
            {**told, "model": served.model, "version": served.version, "digest": served.digest},
            status=200 if ready else 503,
        )

    def liveness(self) -> Page:
        """Of the process: it answers."""
        return Page.json({"live": True})

    def readiness(self) -> Page:
        """Of the model: not any more when the server is stopping."""
        return Page.json({"ready": self._model.ready}, status=200 if self._model.ready else 503)

    def _metrics_text(self, _: str, headers: Headers) -> Page:
        text, content_type = self._model.metrics.text(headers.get(b"accept", b"").decode("latin-1"))
        return Page(text, content_type)

    def _outcomes(self, query: str, _: Headers) -> Page:
        after = parse_qs(query).get("after")
        return Page.json(self._model.metrics.outcomes.read(after[-1] if after else None, time.time()))


def traffic(headers: Mapping[bytes, bytes]) -> Traffic:
    """Only the gateway's route sets `live`; everything else is a test."""
    return "live" if headers.get(b"x-traffic") == b"live" else "pinned"


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def signed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return signed


async def _respond(send: Send, page: Page, *extra: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", page.content_type.encode()), (b"content-length", str(len(page.content)).encode())]
    await send({"type": "http.response.start", "status": page.status, "headers": [*headers, *extra]})
    await send({"type": "http.response.body", "body": page.content})


async def _refuse(send: Send, error: PredictorError, request_id: str) -> None:
    allow = [(b"allow", error.wanted.encode())] if isinstance(error, WrongMethod) else []
    await _respond(send, Page.json({"error": str(error), "request_id": request_id}, status=error.status), *allow)


def _shown(path: str) -> str:
    """A client's path in a message: at most 60 characters of printable text."""
    text = repr(path)
    return text if len(text) <= 60 else f"{text[:57]}…"
