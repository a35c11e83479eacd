"""An API server in one process that speaks HTTP as the real one does, as far as our objects need it.

Objects get uid, resourceVersion, generation and creationTimestamp; `status` is a subresource of our own kinds; a PUT
needs the resource version that was read; a DELETE keeps its preconditions; who may ask in whose name is checked as the
admission policies do. `fails` answers what comes next with errors.
"""

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from kubernetes import client

from registry.adapters.cluster.api import Api

NAMESPACE = "geometry"
PATH = re.compile(r"/(?:api/v1|apis/([^/]+/[^/]+))/namespaces/([^/]+)/([a-z]+)(?:/([^/]+))?(?:/(status))?")
PROXY = re.compile(r"/api/v1/namespaces/([^/]+)/services/([^/]+)/proxy(/.*)?")
OURS = ("promotions", "approvals", "models")
KINDS = {"promotions": "Promotion", "approvals": "Approval", "models": "Model", "configmaps": "ConfigMap"}
PEOPLE = {"token-of-controller": "system:serviceaccount:geometry:geometry-controller", "token-of-ann": "ann",
          "token-of-bob": "bob"}  # fmt: skip


@dataclass
class FakeApi:
    """The server. now: for creationTimestamp. fails: statuses that the next requests get; 0 hangs up, None is none.
    proxied: where the Service of the controller leads to. served: plural names of what is discovered."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    fails: list[int | None] = field(default_factory=list)
    proxied: str | None = None
    served: set[str] = field(default_factory=lambda: {"httproutes", "inferenceservices", "promotions"})
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    _version: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def __enter__(self) -> "FakeApi":
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def seen_by(self, person: str = "controller") -> Api:
        """The adapter under test, as somebody."""
        settings = client.Configuration(host=self.url, api_key={"BearerToken": f"Bearer token-of-{person}"})
        settings.retries = False
        return Api(client.ApiClient(settings), NAMESPACE)

    def get(self, plural: str, name: str) -> dict[str, Any]:
        return self.objects[plural, name]

    def of(self, plural: str) -> list[dict[str, Any]]:
        return [made for (kind, _), made in self.objects.items() if kind == plural]

    # what requests do

    def create(self, plural: str, made: dict[str, Any], group: str, user: str) -> dict[str, Any]:
        metadata = made.setdefault("metadata", {})
        name = metadata.setdefault("name", metadata.pop("generateName", "") + uuid.uuid4().hex[:5])
        with self._changed:
            if (plural, name) in self.objects:
                raise Wrong(409, f'{plural} "{name}" already exists')
            self._admit(plural, made, None, user)
            stamp = self.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp, "generation": 1, "namespace": NAMESPACE}
            made |= {"apiVersion": group or "v1"}
            if plural in OURS:
                made.pop("status", None)
            return self._store(plural, name, made, "ADDED")

    def change(
        self, plural: str, name: str, part: str | None, change: Callable[[dict[str, Any]], dict[str, Any]], user: str
    ) -> dict[str, Any]:
        with self._changed:
            before = self._found(plural, name)
            after = change(json.loads(json.dumps(before)))
            if after["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
                raise Wrong(409, "the object has been modified; please apply your changes to the latest version")
            if part == "status":
                after = {**before, "status": after.get("status")}
            elif plural in OURS:
                after = {**after, "status": before["status"]} if "status" in before else after
                self._admit(plural, after, before, user)
            if after == before:
                return before
            if after.get("spec") != before.get("spec"):
                after["metadata"]["generation"] = before["metadata"]["generation"] + 1
            return self._store(plural, name, after, "MODIFIED")

    def delete(self, plural: str, name: str, uid: str | None = None) -> dict[str, Any]:
        with self._changed:
            found = self._found(plural, name)
            if uid not in (None, found["metadata"]["uid"]):
                raise Wrong(409, "the UID in the precondition does not match")
            del self.objects[plural, name]
            self._told(plural, "DELETED", found)
            return {"kind": "Status", "status": "Success"}

    def watch(self, plural: str, ended: Callable[[], bool]) -> Any:
        """Without a resource version a watch begins with what there is."""
        with self._changed:
            present, seen = self.of(plural), len(self._events)
        yield from ({"type": "ADDED", "object": made} for made in present)
        while not ended():
            with self._changed:
                if len(self._events) == seen:
                    self._changed.wait(0.05)
                new, seen = self._events[seen:], len(self._events)
            yield from ({"type": kind, "object": made} for about, kind, made in new if about == plural)

    def _found(self, plural: str, name: str) -> dict[str, Any]:
        if (plural, name) not in self.objects:
            raise Wrong(404, f'{plural} "{name}" not found')
        return self.objects[plural, name]

    def _store(self, plural: str, name: str, made: dict[str, Any], event: str) -> dict[str, Any]:
        self._version += 1
        made["metadata"]["resourceVersion"] = str(self._version)
        self.objects[plural, name] = made
        self._told(plural, event, made)
        return made

    def _told(self, plural: str, event: str, made: dict[str, Any]) -> None:
        self._events.append((plural, event, made))
        self._changed.notify_all()

    def _admit(self, plural: str, made: dict[str, Any], before: dict[str, Any] | None, user: str) -> None:
        spec, old = made.get("spec") or {}, (before or {}).get("spec") or {}
        if plural == "promotions" and before is None and spec.get("requestedBy") != user:
            raise Wrong(403, f'spec.requestedBy is "{spec.get("requestedBy")}", wanted the caller, "{user}"')
        if plural == "approvals" and before is None and spec.get("by") != user:
            raise Wrong(403, f'spec.by is "{spec.get("by")}", wanted the caller, "{user}"')
        control = spec.get("control")
        if plural == "promotions" and control != old.get("control") and (control or {}).get("by") != user:
            raise Wrong(403, f'spec.control.by is wrong, wanted the caller, "{user}"')
        rest = ({k: v for k, v in each.items() if k != "control"} for each in (spec, old))
        if plural == "promotions" and before is not None and next(rest) != next(rest):
            raise Wrong(422, "what was asked cannot be changed; only spec.control can")


class Wrong(Exception):
    """What is answered with a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def merge(into: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    into = dict(into) if isinstance(into, dict) else {}
    for key, value in change.items():
        if value is None:
            into.pop(key, None)
        else:
            into[key] = merge(into.get(key), value)
    return into


class _Handler(BaseHTTPRequestHandler):
    api: FakeApi
    # Head and body in one packet: in two, the client's delayed acknowledgement keeps every answer for 40 ms.
    protocol_version, wbufsize = "HTTP/1.1", 65536

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.api.asked.append((self.command, url.path, url.query))
        user = PEOPLE.get((self.headers.get("Authorization") or "").removeprefix("Bearer "), "")
        status = self.api.fails.pop(0) if self.api.fails else None
        if status is not None:
            if not status:
                self.close_connection = True
                return
            self._say(status, {"kind": "Status", "message": f"injected {status}"})
            return
        try:
            self._route(url.path, parse_qs(url.query), json.loads(body) if body else {}, user)
        except Wrong as error:
            self._say(error.status, {"kind": "Status", "status": "Failure", "message": str(error)})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names http.server calls

    def _route(self, path: str, query: dict[str, list[str]], body: Any, user: str) -> None:
        if path == "/apis/authentication.k8s.io/v1/selfsubjectreviews":
            self._say(201, {"status": {"userInfo": {"username": user}}})
        elif found := PROXY.fullmatch(path):
            self._proxy(found[2], found[3] or "/")
        elif re.fullmatch(r"/apis/[^/]+/[^/]+", path):
            self._say(200, {"resources": [{"name": name} for name in sorted(self.api.served)]})
        elif found := PATH.fullmatch(path):
            group, _, plural, name, part = found.groups()
            self._object(group or "", plural, name, part, query, body, user)
        else:
            raise Wrong(404, "the server could not find the requested resource")

    def _object(
        self, group: str, plural: str, name: str | None, part: str | None, query: Any, body: Any, user: str
    ) -> None:
        api = self.api
        match self.command:
            case "GET" if name is None and "watch" in query:
                self._stream(plural)
            case "GET" if name is None:
                label = query.get("labelSelector", [""])[0]
                found = [made for made in api.of(plural) if not label or label in made["metadata"].get("labels", {})]
                said = {"apiVersion": group or "v1", "kind": f"{KINDS.get(plural, 'Thing')}List"}
                self._say(200, {**said, "metadata": {}, "items": found})
            case "GET":
                self._say(200, api._found(plural, name or ""))
            case "POST":
                self._say(201, api.create(plural, body, group, user))
            case "PUT":
                self._say(200, api.change(plural, name or "", part, lambda _: body, user))
            case "PATCH":
                self._say(200, api.change(plural, name or "", part, lambda before: merge(before, body), user))
            case "DELETE":
                self._say(200, api.delete(plural, name or "", (body.get("preconditions") or {}).get("uid")))

    def _stream(self, plural: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        try:
            for event in self.api.watch(plural, lambda: self.wfile.closed):
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                self.wfile.flush()
        except OSError:
            return

    def _proxy(self, service: str, path: str) -> None:
        if self.api.proxied is None or service != "geometry-controller:http":
            self._say(503, {"kind": "Status", "message": f'no endpoints available for service "{service}"'})
            return
        query = urlsplit(self.path).query
        answer = httpx.get(f"{self.api.proxied}{path}{'?' + query if query else ''}", timeout=10, trust_env=False)
        self._send(answer.status_code, answer.content, answer.headers.get("content-type", ""))

    def _say(self, status: int, document: Any) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
