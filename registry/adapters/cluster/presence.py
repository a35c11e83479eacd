"""A model as a turn saw it, completed by what its pods say when they are asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from registry.adapters.cluster.order import Present
from registry.adapters.cluster.probing import Idling, Prober
from registry.adapters.cluster.routing import accepted, told_weights, traces
from registry.adapters.cluster.sight import Pod, Sight
from registry.domain.release import Release
from registry.domain.version import Model, Version

WARMING = timedelta(seconds=3)
"""How long a trace of requests goes before more does, or less: so long the proxies may take for what a route says."""


class Presence:
    """Asks pods, and remembers since when revisions have been idle, or have had a trace of the requests."""

    def __init__(self) -> None:
        self.prober = Prober()
        self._idling = Idling()
        self._traced: dict[tuple[Model, Version], datetime] = {}

    def present(self, release: Release, sight: Sight, applied: Mapping[Version, int] | None, now: datetime) -> Present:
        """applied: weights as a gateway took them last, None while that is not known."""
        model, route = release.model, sight.routes.get(release.model)
        told, traced = told_weights(route), traces(route)
        entries = sight.entries(model)
        pods = {entry.version: sight.pods_of(model, entry.name) for entry in entries}
        known = applied if applied is not None and applied == positive(told) else None
        used = frozenset(pods if told is not None and known is None else positive(told)) | traced
        return Present(
            entries=entries,
            told=told,
            applied=known,
            traced=traced,
            warm=self._warm(model, traced, taken=route is not None and accepted(route), now=now),
            ready={
                entry.version: len(ready(pods[entry.version]))
                for entry in entries
                if sight.has_service(model, entry.name)
            },
            proven=frozenset(
                revision.version
                for revision in release.live
                if self.proven(model, pods.get(revision.version, ()), revision.digest)
            ),
            idle=frozenset(
                version
                for version, found in pods.items()
                if self._is_idle(model, version, found, used=version in used, now=now)
            ),
        )

    def _warm(self, model: Model, traced: frozenset[Version], *, taken: bool, now: datetime) -> frozenset[Version]:
        """Those of which the gateway's proxies know by now: they have had a trace for long enough."""
        for key in [key for key in self._traced if key[0] == model and key[1] not in traced]:
            del self._traced[key]
        if taken:
            for version in traced:
                self._traced.setdefault((model, version), now)
        return frozenset(version for version in traced if now - self._traced.get((model, version), now) >= WARMING)

    def proven(self, model: Model, pods: Sequence[Pod], digest: str) -> bool:
        """Whether a ready pod says this digest and none says another."""
        return set(self.prober.digests(model, ready(pods)).values()) == {digest}

    def _is_idle(self, model: Model, version: Version, pods: Sequence[Pod], *, used: bool, now: datetime) -> bool:
        asked = [pod for pod in pods if pod.address]
        requests = None if used else self.prober.requests(model, version, asked)
        return self._idling.is_idle(model, version, requests, now)


def ready(pods: Sequence[Pod]) -> tuple[Pod, ...]:
    """Those that the gateway may send to."""
    return tuple(pod for pod in pods if pod.ready and pod.address)


def positive(weights: Mapping[Version, int] | None) -> dict[Version, int]:
    """Without those that get nothing."""
    return {version: weight for version, weight in (weights or {}).items() if weight}
