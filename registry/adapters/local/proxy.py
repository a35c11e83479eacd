"""Envoy as it answers: what it applied, not what was written for it. None everywhere means it could not be asked."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from registry.adapters.local.envoy import LIVE, LOOPBACK, PINNED
from registry.domain.objects import Object


@dataclass(frozen=True)
class Applied:
    """Envoy's configuration in use: active clusters, and the live and pinned route configurations ({} before any)."""

    clusters: frozenset[str]
    live: Object
    pinned: Object


class Proxy:
    """Envoy's admin port."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self._client = httpx.Client(base_url=self.url, timeout=2.0, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def ready(self) -> bool:
        """Envoy listens and has read its files."""
        return self._get("/ready") is not None

    def applied(self) -> Applied | None:
        """What Envoy uses now."""
        clusters = self._dump("dynamic_active_clusters")
        routes = self._dump("dynamic_route_configs")
        if clusters is None or routes is None:
            return None
        by_name = {item["route_config"]["name"]: item["route_config"] for item in routes if "route_config" in item}
        return Applied(
            clusters=frozenset(item["cluster"]["name"] for item in clusters),
            live=by_name.get(LIVE, {}),
            pinned=by_name.get(PINNED, {}),
        )

    def drain(self) -> None:
        """Take no new connection, and end those there are with their next answer."""
        with suppress(httpx.HTTPError):
            for path in ("/healthcheck/fail", "/drain_listeners"):
                self._client.post(path)

    def unanswered(self) -> int:
        """Requests of clients that wait for an answer now; 0 when Envoy could not be asked."""
        return self._sum(rf"^http\.({LIVE}|{PINNED})\.downstream_rq_active$") or 0

    def active_requests(self, clusters: Iterable[str]) -> int | None:
        """Requests that are at these clusters now, waiting ones included."""
        names = "|".join(clusters)
        return self._sum(rf"^cluster\.({names})\.upstream_rq(_pending)?_active$")

    def _sum(self, pattern: str) -> int | None:
        found = self._get("/stats", filter=pattern)
        return None if found is None else sum(int(line.rpartition(" ")[2]) for line in found.splitlines())

    def _dump(self, resource: str) -> list[Any] | None:
        found = self._get("/config_dump", resource=resource)
        return None if found is None else list(json.loads(found).get("configs", ()))

    def _get(self, path: str, **query: str) -> str | None:
        try:
            answer = self._client.get(path, params=query)
        except httpx.HTTPError:
            return None
        return answer.text if answer.is_success else None
