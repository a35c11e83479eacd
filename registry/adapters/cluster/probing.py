"""What pods answer when they are asked directly: which digest they serve, and how many live requests they had."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import httpx

from registry.adapters.cluster.sight import Pod
from registry.adapters.monitoring import fetch, parse_predictor
from registry.adapters.plain import plain_client
from registry.domain.errors import RegistryError
from registry.domain.version import Model, Version

DRAIN = timedelta(seconds=5)
"""Without weight and live requests for so long, a revision is idle."""

TIMEOUT = 1.5
"""Seconds a pod may take to answer a probe."""

_DIGEST_HEADER = "x-model-digest"

T = TypeVar("T")


@dataclass
class Prober:
    """Asks pods. A digest is asked once of each container: it cannot change while the process lives."""

    _digests: dict[str, str] = field(default_factory=dict)
    _client: httpx.Client = field(default_factory=lambda: plain_client(timeout=TIMEOUT))

    def digests(self, model: Model, pods: Sequence[Pod]) -> Mapping[str, str]:
        """By pod what it says it serves; who does not answer is missing."""
        asked = [pod for pod in pods if pod.address and pod.incarnation not in self._digests]
        answers = _at_once(asked, lambda pod: self._ask(model, pod))
        self._digests |= {pod.incarnation: digest for pod, digest in zip(asked, answers, strict=True) if digest}
        return {pod.name: self._digests[pod.incarnation] for pod in pods if pod.incarnation in self._digests}

    def requests(self, model: Model, version: Version, pods: Sequence[Pod]) -> Mapping[str, int]:
        """By pod the live requests it answered so far; who does not tell is missing."""
        answers = _at_once(pods, lambda pod: self._count(model, version, pod))
        return {pod.incarnation: count for pod, count in zip(pods, answers, strict=True) if count is not None}

    def keep(self, incarnations: frozenset[str]) -> None:
        """Forget what all others said."""
        self._digests = {found: digest for found, digest in self._digests.items() if found in incarnations}

    def close(self) -> None:
        self._client.close()

    def _ask(self, model: Model, pod: Pod) -> str | None:
        try:
            answer = self._client.get(f"http://{pod.address}/v2/models/{model}")
        except httpx.HTTPError:
            return None
        return answer.headers.get(_DIGEST_HEADER) if answer.is_success else None

    def _count(self, model: Model, version: Version, pod: Pod) -> int | None:
        try:
            text = fetch(self._client, f"http://{pod.address}/metrics", time.monotonic() + TIMEOUT)
            counters = parse_predictor(text, model, version)
        except RegistryError:
            return None
        return counters.good + counters.refused + counters.predictor_errors


def _at_once(pods: Sequence[Pod], ask: Callable[[Pod], T]) -> list[T]:
    """What each pod answers, in their order; one that hangs costs all of them one timeout."""
    if not pods:
        return []
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe") as pool:
        return list(pool.map(ask, pods))


@dataclass
class Idling:
    """Since when revisions have had neither weight nor live requests."""

    drain: timedelta = DRAIN
    _since: dict[tuple[Model, Version], tuple[datetime, Mapping[str, int]]] = field(default_factory=dict)

    def is_idle(self, model: Model, version: Version, requests: Mapping[str, int] | None, now: datetime) -> bool:
        """One look. requests: live requests by pod, None while the route has weight for it or may have."""
        if requests is None:
            self._since.pop((model, version), None)
            return False
        since, before = self._since.get((model, version), (now, requests))
        if any(count != before.get(pod, count) for pod, count in requests.items()):
            since = now
        self._since[model, version] = (since, requests)
        return now - since >= self.drain
