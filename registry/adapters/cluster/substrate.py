"""Releases as KServe revisions behind our HTTPRoute, in one namespace.

    turn: anchor(model) ──► observe(model, now) ──► the controller decides and records ──► apply(releases, now)

`anchor` looks at the namespace, and every write of the turn is against what was seen then: who wrote meanwhile wins and
the next turn sees it. `apply` takes one step in the order that `order.py` gives.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from registry.adapters.cluster.api import AUTOSCALERS, Api
from registry.adapters.cluster.counting import Answering
from registry.adapters.cluster.events import Events
from registry.adapters.cluster.order import Present, leaving
from registry.adapters.cluster.platform import check_platform
from registry.adapters.cluster.probing import Idling, Prober
from registry.adapters.cluster.rendering import live_route, pinned_routes, runtime, service, staging_service
from registry.adapters.cluster.sight import Pod, Sight, accepted, anchor_of, look, told_weights
from registry.adapters.cluster.writing import Writer
from registry.domain.errors import Conflict, RegistryError
from registry.domain.journal import Anchor
from registry.domain.objects import STAGING, Object, Templates, parse_anchor
from registry.domain.observation import Endpoint, ObservedRevision, ObservedRoute
from registry.domain.policy import Serving
from registry.domain.release import Release
from registry.domain.version import Model, Revision, Version, revision_name

_log = logging.getLogger(__name__)


@dataclass
class Known:
    """What is remembered of one model between turns, and may be lost."""

    sight: Sight | None = None
    applied: tuple[Mapping[Version, int], datetime] | None = None
    unready: dict[Version, datetime] = field(default_factory=dict)
    staging: Endpoint | None = None
    wanted: frozenset[Version] = frozenset()


class ClusterSubstrate:
    """All models of one namespace. serving: what the policy says now about revisions that start now."""

    proxy_url: str | None = None

    def __init__(self, api: Api, *, templates: Templates, serving: Callable[[], Serving]) -> None:
        self._api = api
        self._templates = templates
        self._serving = serving
        self._events = Events(api)
        self._writer = Writer(api, self._tell_repaired)
        self._prober = Prober()
        self._idling = Idling()
        self._known: dict[Model, Known] = {}
        self._problems: dict[Model, str] = {}

    def start(self, now: datetime) -> None:
        """Raises Refused, saying what to install, for a cluster that cannot do it."""
        check_platform(self._api, self._templates)

    def stop(self, now: datetime) -> None:
        """The cluster goes on."""
        self._prober.close()

    def anchor(self, model: Model) -> Anchor | None:
        """The journal entry last acted upon, from the route; what is seen here is what this turn's writes are of."""
        known = self._known.setdefault(model, Known())
        known.sight = None
        known.sight = look(self._api)
        found = anchor_of(known.sight.routes.get(model))
        return parse_anchor(found) if found is not None else None

    def observe(self, model: Model, now: datetime) -> tuple[Mapping[Version, ObservedRevision], ObservedRoute | None]:
        """Every revision with its pods, and the live route as a gateway took it. A route of None: not known."""
        known, sight = self._known[model], self._sight(model)
        found: dict[Version, ObservedRevision] = {}
        for name in (f"{model}{STAGING}", model):
            for entry in sight.entries(name):
                pods = sight.pods_of(name, entry.name)
                found[entry.version] = self._revision(model, entry.version, entry.digest, pods, now)
        return found, self._route(known, sight.routes.get(model), now)

    def endpoints(self, model: Model) -> Mapping[Version, Endpoint]:
        """One pod of each live revision; who wants all of them asks `answering`."""
        sight = self._sight(model)
        return {
            entry.version: _endpoint(pods[0])
            for entry in sight.entries(model)
            if (pods := _ready(sight.pods_of(model, entry.name)))
        }

    def answering(self, model: Model, version: Version) -> Answering:
        """Who counts what a revision answers: its ready pods, and the gateway's clusters that lead to it."""
        sight = self._sight(model)
        pods = {pod.name: str(pod.address) for pod in _ready(sight.pods_of(model, revision_name(version)))}
        route = sight.routes.get(model)
        return Answering(pods, _clusters(self._api.namespace, route, version) if route else frozenset())

    def staging(self, model: Model) -> Endpoint | None:
        return self._known[model].staging

    def apply(self, releases: Sequence[Release], now: datetime) -> None:
        """One step towards each release. What the API server refuses is said once and tried again."""
        for release in releases:
            try:
                self._step(release, self._serving(), now)
            except Conflict as error:
                _log.info("apply.conflict model=%s reason=%s", release.model, error)
            except RegistryError as error:
                self._complain(release.model, str(error))
            else:
                self._problems.pop(release.model, None)

    def _step(self, release: Release, serving: Serving, now: datetime) -> None:
        sight, present = self._sight(release.model), self._present(release, now)
        made = live_route(release, present, self._templates, serving)
        if made is not None and leaving(release, present):
            self._writer.put(made, sight.routes)
            return
        self._write_services(release, present, serving)
        if made is not None:
            self._writer.put(made, sight.routes)
        for pinned in pinned_routes(release, present, self._templates, serving):
            self._writer.put(pinned, sight.routes)
        self._tidy(release, sight, present)

    def _write_services(self, release: Release, present: Present, serving: Serving) -> None:
        """Runtime, revisions and staging revision, whatever of them shall be."""
        model, sight = release.model, self._sight(release.model)
        if (started := runtime(release, self._templates, serving)) is not None:
            self._writer.put(started, sight.runtimes)
        if (made := service(release, present, self._templates, serving)) is not None:
            self._writer.put(made, sight.services)
        elif model in sight.services and not present.told:
            self._writer.remove(sight.services[model])
        staged = staging_service(release, self._templates, serving)
        if staged is not None:
            self._writer.put(staged, sight.services)
        elif f"{model}{STAGING}" in sight.services:
            self._writer.remove(sight.services[f"{model}{STAGING}"])
        self._known[model].staging = self._staged(release) if staged else None

    def _present(self, release: Release, now: datetime) -> Present:
        """The model as it was seen at the start of the turn."""
        model, known, sight = release.model, self._known[release.model], self._sight(release.model)
        entries, told = sight.entries(model), told_weights(sight.routes.get(model))
        digests = {revision.version: revision.digest for revision in release.live}
        pods = {entry.version: sight.pods_of(model, entry.name) for entry in entries}
        applied = known.applied[0] if known.applied and dict(known.applied[0]) == _positive(told) else None
        return Present(
            entries=entries,
            told=told,
            applied=applied,
            ready={
                entry.version: len(_ready(pods[entry.version]))
                for entry in entries
                if sight.has_service(model, entry.name)
            },
            proven=frozenset(
                version for version, digest in digests.items() if self._proven(model, pods.get(version, ()), digest)
            ),
            idle=frozenset(
                version for version, found in pods.items() if self._is_idle(model, version, found, told, applied, now)
            ),
        )

    def _proven(self, model: Model, pods: Sequence[Pod], digest: str) -> bool:
        """Whether a ready pod says this digest and none says another."""
        said = set(self._prober.digests(model, _ready(pods)).values())
        return said == {digest}

    def _is_idle(
        self,
        model: Model,
        version: Version,
        pods: Sequence[Pod],
        told: Mapping[Version, int] | None,
        applied: Mapping[Version, int] | None,
        now: datetime,
    ) -> bool:
        used = bool((told or {}).get(version)) or (told is not None and applied is None)
        requests = None if used else self._prober.requests(model, version, pods)
        return self._idling.is_idle(model, version, requests, now)

    def _tidy(self, release: Release, sight: Sight, present: Present) -> None:
        """Take away what nothing uses: routes of tests, runtimes, and autoscalers that KServe leaves behind."""
        staging = f"{release.model}{STAGING}-pinned"
        if release.staging is None and staging in sight.routes:
            self._writer.remove(sight.routes[staging])

    def _revision(
        self, model: Model, version: Version, digest: str, pods: Sequence[Pod], now: datetime
    ) -> ObservedRevision:
        known, ready = self._known[model], _ready(pods)
        said = set(self._prober.digests(model, ready).values())
        if ready:
            known.unready.pop(version, None)
        else:
            known.unready.setdefault(version, now)
        return ObservedRevision(
            version=version,
            ready=bool(ready),
            digest=next(iter(sorted(said, key=lambda found: found == digest)), None),
            restarts=sum(pod.restarts for pod in pods),
            unready_since=known.unready.get(version),
            pods=len(ready),
            out_of_memory=any(pod.out_of_memory for pod in pods),
        )

    def _route(self, known: Known, route: Object | None, now: datetime) -> ObservedRoute | None:
        """What a gateway took last; until it has taken a change that is what was before."""
        anchor = anchor_of(route)
        if route is None or accepted(route):
            weights = _positive(told_weights(route))
            if known.applied is None or known.applied[0] != weights:
                known.applied = (weights, now)
        if known.applied is None:
            return None
        return ObservedRoute(*known.applied, parse_anchor(anchor) if anchor else None)

    def _staged(self, release: Release) -> Endpoint | None:
        """The staging revision, when it is the released one and says so."""
        name, sight, staged = f"{release.model}{STAGING}", self._sight(release.model), release.staging
        if staged is None or [entry.version for entry in sight.entries(name)] != [staged.version]:
            return None
        pods = _ready(sight.pods_of(name, staged.name))
        return _endpoint(pods[0]) if self._proven(release.model, pods, staged.digest) else None

    def _sight(self, model: Model) -> Sight:
        found = self._known[model].sight
        if found is None:
            raise Conflict(f"{model}: the namespace could not be looked at in this turn")
        return found

    def _complain(self, model: Model, problem: str) -> None:
        if self._problems.get(model) != problem:
            self._problems[model] = problem
            _log.error("apply.problem model=%s reason=%s", model, problem)
            self._events.warn(self._sight(model).services.get(model), "NotApplied", problem)

    def _tell_repaired(self, made: Object) -> None:
        note = "was changed by hand; it follows from the journal again"
        self._events.warn(made, "Repaired", note)


def _ready(pods: Sequence[Pod]) -> tuple[Pod, ...]:
    return tuple(pod for pod in pods if pod.ready and pod.address)


def _endpoint(pod: Pod) -> Endpoint:
    return Endpoint(url=f"http://{pod.address}", grpc=str(pod.address), incarnation=pod.incarnation)


def _positive(weights: Mapping[Version, int] | None) -> dict[Version, int]:
    return {version: weight for version, weight in (weights or {}).items() if weight}


def _clusters(namespace: str, route: Object, version: Version) -> frozenset[str]:
    """Envoy Gateway's names for the backends of a revision: by the rule's and the backend's place in the route."""
    versions = [tuple(told_weights({**route, "spec": {"rules": [rule]}}) or {}) for rule in route["spec"]["rules"]]
    return frozenset(
        f"httproute/{namespace}/{route['metadata']['name']}/rule/{rule}/backend/{place}"
        for rule, named in enumerate(versions)
        for place, found in enumerate(named)
        if found == version
    )
