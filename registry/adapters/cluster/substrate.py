"""Releases as KServe revisions behind our HTTPRoute, in one namespace.

    turn: anchor(model) ──► observe(model, now) ──► the controller decides and records ──► apply(releases, now)

`anchor` looks at the namespace, and every write of the turn is against what was seen then: who wrote meanwhile wins and
the next turn sees it. `apply` takes one step in the order that `order.py` gives.

    substrate = ClusterSubstrate(connect(), templates=read_templates(), policy=lambda: load_policy(home.policy))
    Controller(home, substrate, scrape=substrate.scrape, outcomes=substrate.outcomes)
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from registry.adapters.cluster.api import Api
from registry.adapters.cluster.counting import Answering, PodScrape
from registry.adapters.cluster.events import Events
from registry.adapters.cluster.hearing import PodOutcomes
from registry.adapters.cluster.order import Present, leaving
from registry.adapters.cluster.platform import check_platform
from registry.adapters.cluster.presence import Presence, positive, ready
from registry.adapters.cluster.rendering import live_route, pinned_routes, runtime, service, staging_service
from registry.adapters.cluster.routing import accepted, anchor_of, clusters, told_weights
from registry.adapters.cluster.sight import NOTHING, Pod, Sight, look
from registry.adapters.cluster.tidying import unused
from registry.adapters.cluster.writing import Fence, Writer, mark
from registry.domain.errors import Conflict, RegistryError
from registry.domain.journal import Anchor
from registry.domain.objects import STAGING, Object, Templates, parse_anchor
from registry.domain.observation import Endpoint, ObservedRevision, ObservedRoute
from registry.domain.policy import Policy, Serving, WriteMode
from registry.domain.release import Release, RevisionRelease
from registry.domain.validated import is_carried
from registry.domain.version import Model, Version, revision_name

FRESH = 1.0
"""Seconds for which a look at the namespace is good enough for another model of the same turn."""

_log = logging.getLogger(__name__)


@dataclass
class Known:
    """What is remembered of one model between turns, and may be lost. sight: of this turn. applied: weights that a
    gateway took last, and since when. staged: the staging revision of the last release."""

    sight: Sight | None = None
    applied: tuple[Mapping[Version, int], datetime] | None = None
    unready: dict[Version, datetime] = field(default_factory=dict)
    staged: RevisionRelease | None = None


class ClusterSubstrate:
    """All models of the namespace that `api` speaks of. policy: as it is now; revisions that start now follow it.

    scrape, outcomes: how the controller reads counters and answers here, where a revision is several pods.
    """

    proxy_url: str | None = None

    def __init__(self, api: Api, *, templates: Templates, policy: Callable[[], Policy]) -> None:
        self.scrape = PodScrape(self.answering, lambda: policy().envoy)
        self.outcomes = PodOutcomes(self.answering)
        self._api = api
        self.conflicts = 0
        self._templates = replace(templates, namespace=api.namespace)
        self._policy = policy
        self._events = Events(api)
        self._writer = Writer(api, self._events.warn)
        self._presence = Presence()
        self._known: dict[Model, Known] = {}
        self._lookers: set[Model] = set()
        self._shared, self._looked = NOTHING, 0.0
        self._problems: dict[Model, str] = {}

    def start(self, now: datetime) -> None:  # noqa: ARG002 - a cluster has its own clock
        """Raises Refused, saying what to install, for a cluster that cannot do it."""
        check_platform(self._api, self._templates)

    def stop(self, now: datetime) -> None:  # noqa: ARG002 - nothing is waited for
        """The cluster goes on."""
        self._presence.prober.close()

    def anchor(self, model: Model) -> Anchor | None:
        """The journal entry last acted upon, from the route; what is seen here is what this turn's writes are of."""
        known = self._known.setdefault(model, Known())
        known.sight = None
        known.sight = self._look(model)
        found = anchor_of(known.sight.routes.get(model))
        return parse_anchor(found) if found is not None else None

    def observe(self, model: Model, now: datetime) -> tuple[Mapping[Version, ObservedRevision], ObservedRoute | None]:
        """Every revision with its pods, and the live route as a gateway took it. A route of None: not known."""
        known, sight = self._known[model], self._sight(model)
        there = {entry.version for name in (f"{model}{STAGING}", model) for entry in sight.entries(name)}
        # A version that comes again later starts anew.
        known.unready = {version: since for version, since in known.unready.items() if version in there}
        found: dict[Version, ObservedRevision] = {}
        for name in (f"{model}{STAGING}", model):
            for entry in sight.entries(name):
                pods = sight.pods_of(name, entry.name)
                found[entry.version] = self._revision(model, entry.version, entry.digest, pods, now)
        return found, _observed_route(known, sight.routes.get(model), now)

    def endpoints(self, model: Model) -> Mapping[Version, Endpoint]:
        """One pod of each live revision; who wants all of them asks `answering`."""
        sight = self._sight(model)
        return {
            entry.version: _endpoint(pods[0])
            for entry in sight.entries(model)
            if (pods := ready(sight.pods_of(model, entry.name)))
        }

    def answering(self, model: Model, version: Version) -> Answering:
        """Who counts what a revision answers: its ready pods, and the gateway's clusters that send to it."""
        sight = self._sight(model)
        pods = {pod.name: str(pod.address) for pod in ready(sight.pods_of(model, revision_name(version)))}
        route = sight.routes.get(model)
        return Answering(pods, clusters(self._api.namespace, route, version) if route else frozenset())

    def staging(self, model: Model) -> Endpoint | None:
        """The staging revision, when it is the one of the last release and says so."""
        name, sight, staged = f"{model}{STAGING}", self._sight(model), self._known[model].staged
        if staged is None or [entry.version for entry in sight.entries(name)] != [staged.version]:
            return None
        pods = ready(sight.pods_of(name, staged.name))
        return _endpoint(pods[0]) if self._presence.proven(model, pods, staged.digest) else None

    def apply(self, releases: Sequence[Release], now: datetime) -> None:
        """One step towards each release. What the API server refuses is said once and tried again."""
        self._lookers.clear()
        for release in releases:
            try:
                self._step(release, self._policy(), now)
            except Conflict as error:
                self.conflicts += 1
                _log.info("apply.conflict model=%s reason=%s", release.model, error)
            except RegistryError as error:
                self._complain(release.model, str(error))
            else:
                self._problems.pop(release.model, None)

    def _step(self, release: Release, policy: Policy, now: datetime) -> None:
        gitops, serving = policy.write_mode is WriteMode.GITOPS, policy.serving
        known, sight = self._known[release.model], self._sight(release.model)
        known.staged = release.staging
        fence = Fence(self._api, release.model, mark(sight.routes.get(release.model)))
        present = self._presence.present(release, sight, known.applied[0] if known.applied else None, now)
        route = live_route(release, present, self._templates, serving)
        if route is not None and leaving(release, present):
            self._writer.put(route, sight.routes, fence, shared=gitops)
            return
        made = {(one["kind"], one["metadata"]["name"]): one for one in self._rendered(release, present, serving)}
        for (kind, name), one in made.items():
            if not (gitops and is_carried(kind, name, release)):
                self._writer.put(one, sight.of_kind(kind), fence)
        left = (*self._services_left(release.model, sight, present, made), *unused(release.model, sight, made))
        for found in left:
            if not (gitops and is_carried(found["kind"], found["metadata"]["name"], release)):
                self._writer.remove(found, fence)
        # What git carries is waited for, so that only weights are written to it.
        if route is not None and (not gitops or present.told is not None):
            self._writer.put(route, sight.routes, fence, shared=gitops)

    def _rendered(self, release: Release, present: Present, serving: Serving) -> Iterator[Object]:
        """Everything but the live route: runtime, revisions, staging revision and routes of tests."""
        found = (
            runtime(release, self._templates, serving),
            service(release, present, self._templates, serving),
            staging_service(release, self._templates, serving),
            *pinned_routes(release, present, self._templates, serving),
        )
        return (one for one in found if one is not None)

    @staticmethod
    def _services_left(
        model: Model, sight: Sight, present: Present, made: Mapping[tuple[str, str], Object]
    ) -> Iterator[Object]:
        """InferenceServices that nothing shall run in; what the route still sends to stays."""
        for name in (model, f"{model}{STAGING}"):
            found = sight.services.get(name)
            if found is not None and ("InferenceService", name) not in made and (name != model or not present.told):
                yield found

    def _revision(
        self, model: Model, version: Version, digest: str, pods: Sequence[Pod], now: datetime
    ) -> ObservedRevision:
        known, able = self._known[model], ready(pods)
        said = set(self._presence.prober.digests(model, able).values())
        if able:
            known.unready.pop(version, None)
        else:
            known.unready.setdefault(version, now)
        return ObservedRevision(
            version=version,
            ready=bool(able),
            # Of several, the one that is not as it shall be.
            digest=min(said, key=lambda found: found == digest, default=None),
            restarts=sum(pod.restarts for pod in pods),
            unready_since=known.unready.get(version),
            pods=len(able),
            out_of_memory=any(pod.out_of_memory for pod in pods),
            problem=next((pod.problem for pod in pods if pod.problem), None),
        )

    def _look(self, model: Model) -> Sight:
        """One look a turn, which models share that are asked for shortly after each other."""
        now = time.monotonic()
        if not self._lookers or model in self._lookers or now > self._looked + FRESH:
            self._lookers.clear()
            self._shared, self._looked = look(self._api), now
            self._presence.prober.keep(self._shared.incarnations())
        self._lookers.add(model)
        return self._shared

    def _sight(self, model: Model) -> Sight:
        found = self._known[model].sight
        if found is None:
            raise Conflict(f"{model}: the namespace could not be looked at in this turn")
        return found

    def _complain(self, model: Model, problem: str) -> None:
        if self._problems.get(model) != problem:
            self._problems[model] = problem
            _log.error("apply.problem model=%s reason=%s", model, problem)
            about = self._known[model].sight
            self._events.warn(about.services.get(model) if about else None, "NotApplied", problem)


def _observed_route(known: Known, route: Object | None, now: datetime) -> ObservedRoute | None:
    """What a gateway took last; until it has taken a change that is what was before."""
    if route is None or accepted(route):
        weights = positive(told_weights(route))
        if known.applied is None or known.applied[0] != weights:
            known.applied = (weights, now)
    if known.applied is None:
        return None
    anchor = anchor_of(route)
    return ObservedRoute(*known.applied, parse_anchor(anchor) if anchor else None)


def _endpoint(pod: Pod) -> Endpoint:
    return Endpoint(url=f"http://{pod.address}", grpc=str(pod.address), incarnation=pod.incarnation)
