"""Envoy's configuration, rendered from HTTPRoutes: pure functions from objects to documents.

Listeners are fixed at the start (`bootstrap`); clusters and routes are files that are renamed into place and read again
at once. Every revision has a cluster per purpose, so that Envoy's counters of live traffic know nothing of tests:
`live-shapes-v3`, `pinned-shapes-v3`, and each again with `-grpc` for the port that speaks HTTP/2.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.domain.documents import canonical_bytes, sha256
from registry.domain.errors import InvalidDocument
from registry.domain.objects import Object, service_name
from registry.domain.version import Model, Revision, Version

LIVE = "live"
PINNED = "pinned"
GRPC = "-grpc"
GRPC_PORT = 8081
_ANY_HOST = "."  # no model's name
LOOPBACK = "127.0.0.1"

_TYPE = "type.googleapis.com/envoy."
_RETRY = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2}
"""Only what no revision has begun to work on is tried again."""

_UPSTREAM_IDLE = "30s"
"""Shorter than the 65 s after which a predictor closes an idle connection, so that no request meets the closing."""


@dataclass(frozen=True)
class Ports:
    """Loopback ports: live traffic, tests of one revision, Envoy's own."""

    public: int = 8080
    pinned: int = 8090
    admin: int = 9901


@dataclass(frozen=True)
class Backend:
    """Where one revision answers. service: its name in routes."""

    service: str
    http: int
    grpc: int
    purposes: tuple[str, ...] = (LIVE, PINNED)


def cluster_name(purpose: str, service: str, *, grpc: bool = False) -> str:
    """`live-shapes-v3` for the Service `shapes-v3-predictor`."""
    return f"{purpose}-{service.removesuffix('-predictor')}{GRPC if grpc else ''}"


def bootstrap(ports: Ports, directory: Path) -> Object:
    """What Envoy is started with; `directory` holds the files of clusters and routes."""
    return {
        "node": {"id": "geometry", "cluster": "geometry"},
        "admin": {"address": _address(ports.admin)},
        "dynamic_resources": {"cds_config": _source(directory / "clusters.json")},
        "static_resources": {
            "listeners": [
                _listener(LIVE, ports.public, directory / "live.json"),
                _listener(PINNED, ports.pinned, directory / "pinned.json"),
            ]
        },
    }


def clusters(backends: Sequence[Backend]) -> list[Object]:
    """The clusters of these revisions."""
    return [
        _cluster(cluster_name(purpose, backend.service, grpc=grpc), port, grpc=grpc)
        for backend in backends
        for purpose in backend.purposes
        for port, grpc in ((backend.http, False), (backend.grpc, True))
    ]


def route_configuration(purpose: str, routes: Mapping[Model, Sequence[Object]]) -> Object:
    """All HTTPRoutes of one purpose. A model is found by path or as `<model>.localhost`; the rest goes to the first.

    The `hostnames` of the objects are those of a gateway and mean nothing on a loopback port.
    """
    own = {model: _host_routes(purpose, objects) for model, objects in routes.items() if objects}
    hosts: list[Object] = [
        {"name": model, "domains": [f"{model}.localhost"], "routes": found} for model, found in own.items()
    ]
    by_path = [_of_model(route, model) for model, found in own.items() for route in found if _names_model(route)]
    first = next(iter(own.values()), [_nothing_served()])
    hosts.append({"name": _ANY_HOST, "domains": ["*"], "routes": [*by_path, *first]})
    return {
        "@type": f"{_TYPE}config.route.v3.RouteConfiguration",
        "name": purpose,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": hosts,
    }


def discovery(resources: Sequence[Object]) -> bytes:
    """A file of clusters or routes, its version named by its content."""
    version = sha256(canonical_bytes({"resources": list(resources)}))[:12]
    return canonical_bytes({"version_info": version, "resources": list(resources)})


def referenced(configuration: Object) -> frozenset[str]:
    """Names of all clusters that a route configuration sends to, with whatever weight, or mirrors to."""
    return frozenset(
        entry["name"]
        for host in configuration.get("virtual_hosts", ())
        for route in host["routes"]
        for entry in (
            *route.get("route", {}).get("weighted_clusters", {}).get("clusters", ()),
            *({"name": mirror["cluster"]} for mirror in route.get("route", {}).get("request_mirror_policies", ())),
        )
    )


def weights(configuration: Object, model: Model) -> dict[Version, int]:
    """Percent per version in a live route configuration as Envoy has it; empty without a route of this model.

    Raises InvalidDocument when the model's paths disagree: such a configuration was never rendered here.
    """
    found = [
        {_version(entry["name"], model): entry.get("weight", 0) for entry in action["weighted_clusters"]["clusters"]}
        for host in configuration.get("virtual_hosts", ())
        if host["name"] == model
        for action in (route.get("route", {}) for route in host["routes"])
        if "weighted_clusters" in action
    ]
    if any(other != found[0] for other in found):
        raise InvalidDocument(f"live route of {model}: weights differ between paths: {found}")
    return found[0] if found else {}


def _version(cluster: str, model: Model) -> Version:
    revision = cluster.removesuffix(GRPC).removeprefix(cluster_name(LIVE, service_name(model, Revision(""))))
    return Version(revision.removeprefix("v").replace("-", "."))


def _nothing_served() -> Object:
    body = '{"error":"no version is in production here yet"}'
    return {
        "match": {"prefix": "/"},
        "direct_response": {"status": 503, "body": {"inline_string": body}},
        "response_headers_to_add": [_header("content-type", "application/json"), _header("retry-after", "1")],
    }


def _host_routes(purpose: str, objects: Sequence[Object]) -> list[Object]:
    """Routes of one model, the more exact match first (the order the Gateway API prescribes)."""
    found = [
        (_rank(match), _route(purpose, rule, match))
        for item in objects
        for rule in item["spec"]["rules"]
        for match in rule["matches"]
    ]
    return [route for _, route in sorted(found, key=lambda pair: pair[0])]


def _rank(match: Mapping[str, Any]) -> tuple[bool, int]:
    return match["path"]["type"] != "Exact", -len(match["path"]["value"])


def _route(purpose: str, rule: Mapping[str, Any], match: Mapping[str, Any]) -> Object:
    kinds = {"Exact": "path", "PathPrefix": "path_separated_prefix"}
    kind, value = match["path"]["type"], match["path"]["value"]
    if kind not in kinds:
        raise InvalidDocument(f"HTTPRoute: path match {kind} of {value}, wanted {' or '.join(kinds)}")
    headers = [
        {"name": header["name"], "string_match": {"exact": header["value"]}} for header in match.get("headers", ())
    ]
    return {
        "match": {kinds[kind]: value, **({"headers": headers} if headers else {})},
        "route": {
            "weighted_clusters": {"clusters": [_weighted(purpose, backend) for backend in rule["backendRefs"]]},
            "timeout": rule.get("timeouts", {}).get("request", "60s"),
            "retry_policy": _RETRY,
            **_mirrors(purpose, rule.get("filters", ())),
        },
        **_headers(rule.get("filters", ()), "requestHeaderModifier", "request"),
    }


def _weighted(purpose: str, backend: Mapping[str, Any]) -> Object:
    return {
        "name": cluster_name(purpose, backend["name"], grpc=backend["port"] == GRPC_PORT),
        "weight": backend["weight"],
        **_headers(backend.get("filters", ()), "responseHeaderModifier", "response"),
    }


def _mirrors(purpose: str, filters: Sequence[Mapping[str, Any]]) -> Object:
    """Copies go to the own cluster of the revision, so that its failures are counted there, under the host they had."""
    policies = [
        {
            "cluster": cluster_name(purpose, backend["name"], grpc=backend["port"] == GRPC_PORT),
            "runtime_fraction": {"default_value": {"numerator": mirror.get("percent", 100), "denominator": "HUNDRED"}},
            "disable_shadow_host_suffix_append": True,
        }
        for mirror in (found["requestMirror"] for found in filters if found["type"] == "RequestMirror")
        for backend in (mirror["backendRef"],)
    ]
    return {"request_mirror_policies": policies} if policies else {}


def _headers(filters: Sequence[Mapping[str, Any]], key: str, which: str) -> Object:
    """Header modifiers of the Gateway API in Envoy's words."""
    modifiers = [found[key] for found in filters if key in found]
    added = [_header(entry["name"], entry["value"]) for modifier in modifiers for entry in modifier.get("set", ())]
    removed = [name for modifier in modifiers for name in modifier.get("remove", ())]
    return {
        **({f"{which}_headers_to_add": added} if added else {}),
        **({f"{which}_headers_to_remove": removed} if removed else {}),
    }


def _header(name: str, value: str) -> Object:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _names_model(route: Object) -> bool:
    return route["match"].get("path_separated_prefix") in ("/v1/models", "/v2/models")


def _of_model(route: Object, model: Model) -> Object:
    """The route narrowed to one model: `/v1/models/shapes`, `/v1/models/shapes:predict`, `/v2/models/shapes/infer`."""
    match = dict(route["match"])
    prefix = match.pop("path_separated_prefix")
    return {**route, "match": {**match, "safe_regex": {"regex": f"{prefix}/{re.escape(model)}([:/].*)?"}}}


def _cluster(name: str, port: int, *, grpc: bool) -> Object:
    endpoint = {"endpoint": {"address": _address(port)}}
    protocol: Object = {"http2_protocol_options": {}} if grpc else {"http_protocol_options": {}}
    return {
        "@type": f"{_TYPE}config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": _UPSTREAM_IDLE},
                "explicit_http_config": protocol,
            }
        },
    }


def _listener(name: str, port: int, routes: Path) -> Object:
    return {
        "name": name,
        "address": _address(port),
        "enable_reuse_port": False,  # two Envoys must never share a port
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _connection_manager(name, routes)}]}],
    }


def _connection_manager(name: str, routes: Path) -> Object:
    """HTTP/1.1 and HTTP/2 in clear text (gRPC) on one port; paths are normalised before they are matched."""
    return {
        "@type": f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "AUTO",
        "rds": {"route_config_name": name, "config_source": _source(routes)},
        "normalize_path": True,
        "merge_slashes": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{_TYPE}extensions.filters.http.router.v3.Router"}}
        ],
    }


def _address(port: int) -> Object:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def _source(path: Path) -> Object:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3", "initial_fetch_timeout": "5s"}
