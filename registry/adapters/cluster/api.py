"""The API server as a few verbs on plain objects of one namespace.

Content types are said with every write, because the client guesses them; every error becomes one of ours.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import urllib3
from kubernetes import client, config

from registry.domain.errors import Conflict, NotFound, Refused, RegistryError, Unreachable
from registry.domain.objects import Object

MANAGER = "ml-geometry"
"""Field manager of everything that is written here."""

APPLY, MERGE, JSON = "application/apply-patch+yaml", "application/merge-patch+json", "application/json"

CONNECT, READ = 3.0, 5.0
"""Seconds a server may take to be reached, and to answer."""

QUIET = 600.0
"""Seconds a log may say nothing before it is asked for again."""

NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
"""Where a pod with a service account finds the name of its namespace."""


@dataclass(frozen=True)
class Resource:
    """A kind of object. group: group and version, empty for the core."""

    group: str
    plural: str

    def path(self, namespace: str, name: str = "", part: str = "") -> str:
        root = f"/apis/{self.group}" if self.group else "/api/v1"
        return "/".join(filter(None, (f"{root}/namespaces/{namespace}/{self.plural}", name, part)))


INFERENCE_SERVICES = Resource("serving.kserve.io/v1beta1", "inferenceservices")
SERVING_RUNTIMES = Resource("serving.kserve.io/v1alpha1", "servingruntimes")
HTTP_ROUTES = Resource("gateway.networking.k8s.io/v1", "httproutes")
AUTOSCALERS = Resource("autoscaling/v2", "horizontalpodautoscalers")
ENDPOINT_SLICES = Resource("discovery.k8s.io/v1", "endpointslices")
PODS = Resource("", "pods")
CONFIG_MAPS = Resource("", "configmaps")
PROMOTIONS = Resource("ml-geometry.io/v1alpha1", "promotions")
APPROVALS = Resource("ml-geometry.io/v1alpha1", "approvals")
MODELS = Resource("ml-geometry.io/v1alpha1", "models")
EVENTS = Resource("events.k8s.io/v1", "events")
LEASES = Resource("coordination.k8s.io/v1", "leases")
SELF_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

_OF_KIND = {
    "HorizontalPodAutoscaler": AUTOSCALERS,
    "InferenceService": INFERENCE_SERVICES,
    "ServingRuntime": SERVING_RUNTIMES,
    "HTTPRoute": HTTP_ROUTES,
}


def resource_of(made: Object) -> Resource:
    """Where an object of a release belongs."""
    return _OF_KIND[made["kind"]]


class Api:
    """One namespace of one cluster, as one identity sees it."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._connection = connection

    def list(self, resource: Resource, *, selector: str = "") -> list[Object]:
        """All objects of a kind, as the store of the API server has them."""
        query = {"labelSelector": selector} if selector else {}
        found = self._asked("GET", resource.path(self.namespace), query=query)
        # Only lists of custom resources repeat in every item what it is.
        said = {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List")}
        return [{**said, **item} for item in found["items"]]

    def get(self, resource: Resource, name: str) -> Object:
        return self._asked("GET", resource.path(self.namespace, name))

    def create(self, resource: Resource, made: Object, *, dry_run: bool = False) -> Object:
        """Raises Conflict when the name is taken."""
        query = {"fieldManager": MANAGER, **({"dryRun": "All"} if dry_run else {})}
        return self._asked("POST", resource.path(self.namespace), query=query, body=made, content_type=JSON)

    def apply(self, resource: Resource, made: Object, *, version: str | None) -> Object:
        """Server-side apply to an object that was seen at this resource version; Conflict when it is another one.

        version: None makes the object where there is none. It is applied too: what a plain creation owns, no later
        apply can take away.
        """
        seen = {} if version is None else {"resourceVersion": version}
        body = {**made, "metadata": {**made["metadata"], **seen}}
        query = {"fieldManager": MANAGER, "force": "true"}
        path = resource.path(self.namespace, made["metadata"]["name"])
        return self._asked("PATCH", path, query=query, body=body, content_type=APPLY)

    def replace(self, resource: Resource, made: Object) -> Object:
        """Put an object in place of the one that it was read as."""
        path = resource.path(self.namespace, made["metadata"]["name"])
        return self._asked("PUT", path, query={"fieldManager": MANAGER}, body=made, content_type=JSON)

    def patch(self, resource: Resource, name: str, change: Mapping[str, Any], *, part: str = "") -> Object:
        """Merge `change` into an object, or into a part of it such as `status`."""
        path = resource.path(self.namespace, name, part)
        return self._asked("PATCH", path, query={"fieldManager": MANAGER}, body=dict(change), content_type=MERGE)

    def delete(self, resource: Resource, name: str, *, uid: str) -> None:
        """Delete this very object; one that is gone already is as good."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        try:
            self._asked("DELETE", resource.path(self.namespace, name), body=body, content_type=JSON)
        except NotFound:
            return

    def proxied(self, service: str, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """What a Service of the namespace answers, asked through the API server."""
        return self._read("GET", f"/api/v1/namespaces/{self.namespace}/services/{service}/proxy{path}", query=query)

    @contextmanager
    def streamed(self, service: str, path: str) -> Iterator[IO[bytes]]:
        """As `proxied`, for an answer of any size: what is inside reads it as it arrives."""
        where = f"/api/v1/namespaces/{self.namespace}/services/{service}/proxy{path}"
        url, headers = self._parameters("GET", where, {}, None)
        try:
            answer = self._connection.call_api("GET", url, headers, _request_timeout=(CONNECT, READ))
            _check(answer.status, answer.response.data if answer.status >= 400 else b"", where)
            with closing(answer.response) as body:
                yield body
        except (urllib3.exceptions.HTTPError, client.ApiException) as error:
            raise Unreachable(f"Kubernetes API server: GET {path}: {_told(error)}") from error

    def caller(self) -> str:
        """The name by which the API server knows this identity."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        found = self._asked("POST", SELF_REVIEWS, body=body, content_type=JSON)
        return str(found["status"]["userInfo"]["username"])

    def discovered(self, group: str) -> frozenset[str]:
        """Plural names of the resources of a group and version; none where the group is not served."""
        try:
            return frozenset(item["name"] for item in self._asked("GET", f"/apis/{group}")["resources"])
        except NotFound:
            return frozenset()

    def watch(self, resource: Resource, *, seconds: int) -> Iterator[Object]:
        """Events of a kind from now on, for so long at most."""
        query = {"watch": "true", "timeoutSeconds": str(seconds)}
        url, headers = self._parameters("GET", resource.path(self.namespace), query, None)
        try:
            answer = self._connection.call_api("GET", url, headers, _request_timeout=(CONNECT, seconds + READ))
            _check(answer.status, answer.response.data if answer.status >= 400 else b"", resource.plural)
            buffer = b""
            for chunk in answer.response.stream(65536, decode_content=True):
                *lines, buffer = (buffer + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line)
        except (urllib3.exceptions.HTTPError, client.ApiException, ValueError) as error:
            raise Unreachable(f"watching {resource.plural}: {type(error).__name__}") from error

    def log(self, pod: str, *, follow: bool) -> Iterator[str]:
        """Lines of what a pod's one container said since it started; follow: and says, until it ends."""
        query = {"follow": "true" if follow else "false"}
        url, headers = self._parameters("GET", PODS.path(self.namespace, pod, "log"), query, None)
        try:
            answer = self._connection.call_api("GET", url, headers, _request_timeout=(CONNECT, QUIET))
            _check(answer.status, answer.response.data if answer.status >= 400 else b"", pod)
            buffer = b""
            for chunk in answer.response.stream(65536, decode_content=True):
                *lines, buffer = (buffer + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise Unreachable(f"log of {pod}: {type(error).__name__}") from error
        if buffer:
            yield buffer.decode(errors="replace")

    def _asked(self, method: str, path: str, **asked: Any) -> Object:
        found: Object = json.loads(self._read(method, path, **asked))
        return found

    def _read(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str | None = None,
    ) -> bytes:
        url, headers = self._parameters(method, path, query or {}, content_type)
        # The client writes JSON for types that are called so, and texts as they are for all others.
        sent = json.dumps(body) if content_type == APPLY else body
        try:
            answer = self._connection.call_api(method, url, headers, sent, _request_timeout=(CONNECT, READ))
            content = bytes(answer.response.data)
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise Unreachable(f"Kubernetes API server: {method} {path}: {_told(error)}") from error
        _check(answer.status, content, path)
        return content

    def _parameters(
        self, method: str, path: str, query: Mapping[str, str], content_type: str | None
    ) -> tuple[str, dict[str, str]]:
        headers = {"Accept": "application/json, */*", **({"Content-Type": content_type} if content_type else {})}
        _, url, sent, _, _ = self._connection.param_serialize(
            method=method,
            resource_path=path,
            query_params=list(query.items()),
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        return url, sent


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _check(status: int, content: bytes, where: str) -> None:
    """Raise the error of ours that an answer stands for."""
    if status < 400:
        return
    try:
        said = str(json.loads(content).get("message") or "")
    except (ValueError, AttributeError):
        said = content.decode(errors="replace")[:300]
    message = said or f"{where}: answered {status}"
    kinds: dict[int, type[RegistryError]] = {404: NotFound, 409: Conflict, 400: Refused, 403: Refused, 422: Refused}
    raise kinds.get(status, Unreachable)(f"{message} ({status})" if status not in kinds else message)


def connect(context: str | None = None, namespace: str | None = None) -> Api:
    """The API server whose pod this process runs in, or that a context of the kubeconfig names.

    namespace: another than the pod's own or the context's. Raises Unreachable when neither is there; nothing is asked
    of the server yet.
    """
    settings = client.Configuration()
    settings.retries = 0  # a turn that fails is tried again as a whole, and none waits for a Retry-After
    inside = context is None and Path(NAMESPACE_FILE).is_file()
    try:
        if inside:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call] # it has no types
        else:
            config.load_kube_config(context=context, client_configuration=settings)  # type: ignore[no-untyped-call] # as above
    except config.ConfigException as error:
        raise Unreachable(
            f"Kubernetes: {error}; name a context with --context, see `kubectl config get-contexts`"
        ) from error
    if inside and namespace is None:
        namespace = Path(NAMESPACE_FILE).read_text().strip()
    return Api(client.ApiClient(settings), namespace or namespace_of(context))


def namespace_of(context: str | None) -> str:
    """The namespace that a context of the kubeconfig stands for; raises Refused where it names none."""
    contexts, active = config.list_kube_config_contexts()  # type: ignore[no-untyped-call] # as above
    found = next((item for item in contexts if item["name"] == context), active if context is None else None)
    named = (found or {}).get("context", {}).get("namespace")
    if not named:
        raise Refused(f"context {context or 'of now'} names no namespace; add --namespace, such as ml-geometry-dev")
    return str(named)


def quoted(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="")
