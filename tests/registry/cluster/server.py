"""An API server as small as the substrate's questions: real HTTP, resource versions, generations, server-side apply.

Every fault is told of beforehand: `fail` answers the next matching requests with a status, or with silence.
"""

import copy
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]

KINDS = {
    "inferenceservices": ("serving.kserve.io/v1beta1", "InferenceService"),
    "servingruntimes": ("serving.kserve.io/v1alpha1", "ServingRuntime"),
    "httproutes": ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    "horizontalpodautoscalers": ("autoscaling/v2", "HorizontalPodAutoscaler"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "pods": ("v1", "Pod"),
    "events": ("events.k8s.io/v1", "Event"),
    "promotions": ("ml-geometry.io/v1alpha1", "Promotion"),
}
SILENCE = 0
"""A status that is no answer: the connection is closed."""


class Answered(Exception):
    """Ends a request with a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Fault:
    verb: str
    plural: str
    status: int
    times: int
    after: bool


@dataclass
class Server:
    """One namespace. writes: every change, as `verb plural/name`. admit: judges what is stored, as a webhook would."""

    objects: dict[str, dict[str, Object]] = field(default_factory=lambda: {plural: {} for plural in KINDS})
    writes: list[str] = field(default_factory=list)
    admit: Callable[[Object, Object | None], None] = lambda new, old: None
    faults: list[Fault] = field(default_factory=list)
    before_read: Callable[[str], None] = lambda plural: None
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _applied: dict[tuple[str, str], Object] = field(default_factory=dict)

    def fail(self, verb: str, plural: str, status: int, *, times: int = 1, after: bool = False) -> None:
        """after: it is done all the same, and only the answer is lost."""
        self.faults.append(Fault(verb, plural, status, times, after))

    def store(self, plural: str, made: Object) -> Object:
        """Put an object as if its owner had."""
        with self.lock:
            return self._store(plural, copy.deepcopy(made), self.objects[plural].get(made["metadata"]["name"]))

    def edit(self, plural: str, name: str, change: Callable[[Object], None]) -> None:
        """What a person does with `kubectl edit`."""
        with self.lock:
            made = copy.deepcopy(self.objects[plural][name])
            change(made)
            self._store(plural, made, self.objects[plural][name])

    def remove(self, plural: str, name: str) -> None:
        with self.lock:
            self.objects[plural].pop(name, None)
            self._applied.pop((plural, name), None)

    def handle(self, verb: str, path: str, query: dict[str, str], content_type: str, body: Any) -> Object:
        parts = path.strip("/").split("/")
        if "namespaces" not in parts:
            return self._discovered(path)
        plural, *name = parts[parts.index("namespaces") + 2 :]
        failing = self._failing(verb, plural)
        if failing and not failing.after:
            raise Answered(failing.status, "injected")
        if verb == "GET":
            self.before_read(plural)
        with self.lock:
            answer = self._answer(verb, plural, name[0] if name else None, query, content_type, body)
        if failing:
            raise Answered(failing.status, "injected")
        return answer

    def _failing(self, verb: str, plural: str) -> Fault | None:
        for fault in self.faults:
            if (fault.verb, fault.plural) == (verb, plural) and fault.times:
                fault.times -= 1
                return fault
        return None

    def _discovered(self, path: str) -> Object:
        found = [{"name": plural} for plural, (group, _) in KINDS.items() if path == f"/apis/{group}"]
        if not found:
            raise Answered(404, "no such group")
        return {"resources": found}

    def _answer(
        self, verb: str, plural: str, name: str | None, query: dict[str, str], content_type: str, body: Any
    ) -> Object:
        found = self.objects[plural].get(name or "")
        if verb == "GET" and name is None:
            return self._listed(plural, query.get("labelSelector", ""))
        if verb == "POST":
            return self._created(plural, body, dry="dryRun" in query)
        if verb == "PATCH" and content_type == "application/apply-patch+yaml":
            return self._apply(plural, str(name), body, found)
        if found is None:
            raise Answered(404, f"{plural} {name} not found")
        if verb == "PATCH":
            return self._written(verb, plural, merged(found, body), found)
        if verb == "DELETE":
            if body["preconditions"]["uid"] != found["metadata"]["uid"]:
                raise Answered(409, "another uid")
            self.writes.append(f"DELETE {plural}/{name}")
            self.remove(plural, str(name))
        return found

    def _listed(self, plural: str, selector: str) -> Object:
        group, kind = KINDS[plural]
        every = self.objects[plural].values()
        items = [one for one in every if not selector or selector in one["metadata"].get("labels", {})]
        if "." not in group or group.endswith(".k8s.io/v1"):  # built in: an item does not say what it is
            items = [{key: value for key, value in one.items() if key not in ("apiVersion", "kind")} for one in items]
        return {"apiVersion": group, "kind": f"{kind}List", "items": items}

    def _created(self, plural: str, body: Object, *, dry: bool) -> Object:
        if body["metadata"]["name"] in self.objects[plural]:
            raise Answered(409, "already exists")
        self.admit(body, None)
        return body if dry else self._written("POST", plural, body, None)

    def _apply(self, plural: str, name: str, body: Object, found: Object | None) -> Object:
        version = body["metadata"].pop("resourceVersion", None)
        if version is not None and (found is None or found["metadata"]["resourceVersion"] != version):
            raise Answered(409, "the object has been modified")
        before = self._applied.get((plural, name), {})
        made = applied(found or {}, before, body)
        answer = self._written("PATCH", plural, made, found)
        self._applied[plural, name] = copy.deepcopy(body)
        return answer

    def _written(self, verb: str, plural: str, made: Object, found: Object | None) -> Object:
        self.admit(made, found)
        self.writes.append(f"{verb} {plural}/{made['metadata']['name']}")
        return self._store(plural, made, found)

    def _store(self, plural: str, made: Object, found: Object | None) -> Object:
        if found is not None and without_version(made) == without_version(found):
            return found
        number, metadata = next(self._numbers), made["metadata"]
        old = found["metadata"] if found else {"uid": f"uid-{number}", "generation": 0}
        changed = found is None or made.get("spec") != found.get("spec")
        metadata |= {"uid": old["uid"], "resourceVersion": str(number), "generation": old["generation"] + changed}
        group, kind = KINDS[plural]
        self.objects[plural][metadata["name"]] = {"apiVersion": group, "kind": kind, **copy.deepcopy(made)}
        return self.objects[plural][metadata["name"]]


def without_version(made: Object) -> Object:
    return {**made, "metadata": {**made["metadata"], "resourceVersion": None}, "apiVersion": "", "kind": ""}


def merged(found: Any, change: Any) -> Any:
    """A merge patch."""
    if not isinstance(change, dict) or not isinstance(found, dict):
        return copy.deepcopy(change)
    kept = {key: value for key, value in found.items() if key not in change}
    return kept | {key: merged(found.get(key, {}), value) for key, value in change.items() if value is not None}


def applied(found: Any, before: Any, wanted: Any) -> Any:
    """Server-side apply by one manager: its fields as wanted, those it wants no more away, others' kept.

    A list is one value, as those of our objects are.
    """
    if not isinstance(wanted, dict) or not isinstance(found, dict):
        return copy.deepcopy(wanted)
    owned = before if isinstance(before, dict) else {}
    kept = {key: value for key, value in found.items() if key not in wanted and key not in owned}
    return kept | {key: applied(found.get(key, {}), owned.get(key, {}), value) for key, value in wanted.items()}


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Answer HTTP until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", 65536

        def answer(self) -> None:
            split = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(split.query).items()}
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            content_type, status = self.headers.get("content-type", ""), 200
            try:
                content = server.handle(self.command, split.path, query, content_type, json.loads(sent or "null"))
            except Answered as error:
                status, content = error.status, {"message": str(error)}
            if status == SILENCE:
                self.close_connection = True
                return
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.send_header("retry-after", "30") if status == 429 else None
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - names that the base class looks for

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with listening(Handler) as url:
        server.url = url
        yield server


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
