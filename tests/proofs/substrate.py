"""A controller's hold on the fake cluster: it obeys the controller's port, and everything it does is a point.

It dies with its controller and the cluster does not. Its writes carry the generation read with the anchor, as one to
an object of Kubernetes carries its resource version: whoever saw an older one is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from registry.adapters.latency import Subject
from registry.adapters.monitoring import Target
from registry.domain.answers import Answers
from registry.domain.errors import Conflict, InvalidDocument
from registry.domain.journal import Anchor
from registry.domain.observation import Counters, Endpoint, Latency, ObservedRevision, ObservedRoute
from registry.domain.release import Release, RevisionRelease
from registry.domain.signals import LATENCY_EDGES
from registry.domain.state import State
from registry.domain.version import Model, Version
from tests.proofs.cluster import LATE, Cluster, Pod, Service
from tests.proofs.machine import ON_COUNTERS, ON_LOOKS, ON_MEASURING, ON_PROJECTION, ON_SUBSTRATE, Fault, Machine

DRAIN = timedelta(seconds=5)
FENCED = True
"""Whether a write of who saw an older generation is refused."""

STEADY = 6
"""Only who read a revision some times before can tell that its counters go backwards: a first reading is believed."""

LIE = 3
"""Rounds for which old weights are said to be applied."""

Look = tuple[Mapping[Version, ObservedRevision], ObservedRoute | None]


class FakeSubstrate:
    """The port of one controller."""

    proxy_url = "http://proxy"
    conflicts = 0

    def __init__(self, cluster: Cluster, machine: Machine) -> None:
        self._cluster = cluster
        self._machine = machine
        self._generations: dict[Model, int] = {}
        self._staging: dict[Model, RevisionRelease | None] = {}
        self._seen: dict[Model, tuple[Mapping[Version, int], datetime]] = {}
        self._lying: dict[Model, int] = {}
        self._counters: dict[tuple[Model, Version], Counters] = {}
        self._steady: dict[Model, tuple[object, int]] = {}

    def start(self, now: datetime) -> None:
        """The cluster runs without it."""

    def stop(self, now: datetime) -> None:
        """The cluster goes on."""

    def observe(self, model: Model, now: datetime) -> Look:
        service = self._cluster.service(model)

        def crash() -> Look:
            newest = max(service.pods.values(), key=lambda pod: pod.incarnation, default=None)
            if newest is not None:
                self._cluster.crash(model, newest.version)
            return self._look(model, now)

        def flap() -> Look:
            self._cluster.flap(model)
            return self._look(model, now)

        def lie() -> Look:
            self._steady.pop(model, None)
            self._lying[model] = self._cluster.round + LIE
            return self._look(model, now)

        def silent() -> Look:
            self._steady.pop(model, None)
            return self._look(model, now)[0], None

        special = {Fault.CRASH: crash, Fault.FLAP: flap, Fault.LIE: lie, Fault.SILENT: silent}
        return self._machine.point(f"observe {model}", ON_LOOKS, lambda: self._look(model, now), special=special)

    def _look(self, model: Model, now: datetime) -> Look:
        service = self._cluster.service(model)
        pods = sorted(service.pods.items(), key=lambda item: not item[0].startswith("staging"))
        revisions = {pod.version: _observed(pod) for _, pod in pods}
        weights = service.before if self._lying.get(model, -1) >= self._cluster.round else service.applied
        if self._seen.get(model, (None, now))[0] != weights:
            self._seen[model] = (weights, now)
        return revisions, ObservedRoute(weights, self._seen[model][1], service.anchor)

    def anchor(self, model: Model) -> Anchor | None:
        service = self._cluster.service(model)
        self._generations[model] = service.generation
        return service.anchor

    def endpoints(self, model: Model) -> Mapping[Version, Endpoint]:
        pods = sorted(self._cluster.service(model).pods.items(), key=lambda item: not item[0].startswith("staging"))
        return {pod.version: Endpoint(f"http://{name}", name, str(pod.incarnation)) for name, pod in pods}

    def staging(self, model: Model) -> Endpoint | None:
        wanted = self._staging.get(model)
        pod = self._cluster.service(model).pods.get(f"staging-{wanted.name}") if wanted else None
        if pod is None or not pod.ready or pod.digest != wanted.digest:
            return None
        return Endpoint(f"http://staging-{wanted.name}", wanted.name, str(pod.incarnation))

    def scrape(
        self, targets: Sequence[Target], envoy_url: str | None, *, timeout: float
    ) -> tuple[Mapping[Version, Counters], Mapping[Version, str]]:
        """Counters of the live revisions that are ready."""
        assert envoy_url == self.proxy_url
        assert timeout > 0
        model = targets[0].model
        steady = self._readings(model)
        last = {target.version: self._counters.get((model, target.version)) for target in targets}

        def read() -> dict[Version, Counters]:
            pods = [pod for name, pod in self._cluster.service(model).pods.items() if name[0] == "v" and pod.ready]
            found = {pod.version: _counters(pod) for pod in pods if pod.version in last}
            self._counters |= {(model, version): counters for version, counters in found.items()}
            return found

        def missing() -> dict[Version, Counters]:
            return dict(list(read().items())[:-1])

        def stale() -> dict[Version, Counters]:
            return {version: counters for version, counters in last.items() if counters is not None}

        def backwards() -> dict[Version, Counters]:
            if steady < STEADY:
                return read()
            return {version: replace(counters, good=counters.good // 2) for version, counters in read().items()}

        special = {Fault.MISSING: missing, Fault.STALE: stale, Fault.BACKWARDS: backwards}
        counters = self._machine.point(f"scrape {model}", ON_COUNTERS, read, special=special)
        return counters, {version: "no answer" for version in last if version not in counters}

    def _readings(self, model: Model) -> int:
        """How many readings there were, with this one, since weights or processes changed."""
        service = self._cluster.service(model)
        found = (service.applied, sorted(pod.incarnation for pod in service.pods.values()))
        before, count = self._steady.get(model, (found, 0))
        self._steady[model] = (found, count + 1 if before == found else 1)
        return self._steady[model][1] if self._lying.get(model, -1) < self._cluster.round else 0

    def apply(self, releases: Sequence[Release], now: datetime) -> None:
        for release in releases:
            self._staging[release.model] = release.staging
            self._step(release, self._cluster.service(release.model), now)

    def _step(self, release: Release, service: Service, now: datetime) -> None:
        model, wanted = release.model, _wanted(release)
        for name, revision in wanted.items():
            if name not in service.pods or name in service.later:
                self._write(model, f"start {name}", lambda n=name, r=revision: self._start(model, n, r))
        if _may_route(release, service):
            mirrored = mirrors(release)
            if (service.told, service.mirrored) != (release.weights, mirrored):
                shown = " ".join(f"{version}:{weight}" for version, weight in release.weights.items())
                shown += "".join(f" {version}:mirror" for version in mirrored)
                tell = partial(self._cluster.tell, model, release.weights, release.anchor.sequence, mirrored=mirrored)
                self._write(model, f"route {shown or 'none'}", partial(tell, rounds=1), late=partial(tell, rounds=LATE))
            if service.anchor != release.anchor:
                self._write(
                    model, f"anchor {release.anchor.sequence}", lambda: setattr(service, "anchor", release.anchor)
                )
        for name in [name for name in service.pods if name not in wanted and name not in service.later]:
            if _drained(service, name, now):
                self._write(model, f"stop {name}", lambda n=name: self._cluster.stop(model, n))

    def _start(self, model: Model, name: str, revision: RevisionRelease) -> None:
        self._cluster.start(model, name, revision.version, revision.digest)

    def _write(
        self, model: Model, name: str, act: Callable[[], None], *, late: Callable[[], None] | None = None
    ) -> None:
        service = self._cluster.service(model)

        def fenced(act: Callable[[], None]) -> Callable[[], None]:
            def write() -> None:
                if FENCED and self._generations.get(model) != service.generation:
                    raise Conflict(f"{model}: somebody else wrote meanwhile")
                act()
                service.generation += 1
                self._generations[model] = service.generation

            return write

        def refuse() -> None:
            raise InvalidDocument(f"{name}: refused")

        def postpone() -> None:
            self._cluster.postpone(model, name.split()[1], act)

        special = {Fault.REFUSE: refuse, Fault.LATE: fenced(late or postpone)}
        faults = ON_SUBSTRATE - {Fault.LATE} if name.startswith("anchor") else ON_SUBSTRATE
        self._machine.point(f"{name} of {model}", faults, fenced(act), special=special)


class SilentOutcomes:
    """Nobody is asked what it answered."""

    def answers(self, model: Model, urls: Mapping[Version, str | None]) -> Mapping[Version, Answers]:
        return {}


class FakeProbe:
    """Begins to measure when it is first asked, and knows when it is asked again. It dies with its controller."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._measured: dict[str, Latency] = {}

    def latency(self, key: str, subject: Subject) -> Latency | None:
        known = self._measured.get(key)
        if known is None:
            good = Latency(subject.requests, 0, LATENCY_EDGES[0])
            silent = Latency(subject.requests, subject.requests, None)
            name, special = f"measure {subject.model}", {Fault.SILENT: lambda: silent}
            self._measured[key] = self._machine.point(name, ON_MEASURING, lambda: good, special=special)
        return known


class FakeProjector:
    """A mirror that may be out of order."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def project(self, state: State, now: datetime) -> None:
        self._machine.point(f"project {state.model}", ON_PROJECTION, lambda: None)

    def stop(self) -> None:
        """Nothing is on its way."""


def _wanted(release: Release) -> dict[str, RevisionRelease]:
    live = {revision.name: revision for revision in release.live}
    return {**live, f"staging-{release.staging.name}": release.staging} if release.staging else dict(live)


def mirrors(release: Release) -> dict[Version, int]:
    """Percent of live requests that versions get copies of."""
    return {revision.version: revision.mirror for revision in release.live if revision.mirror}


def _may_route(release: Release, service: Service) -> bool:
    """Whoever gains weight is ready with the recorded digest; readiness is not waited for when a weight goes to 0."""
    leaves = any(weight and not release.weights.get(version) for version, weight in service.told.items())
    for revision in release.live:
        pod = service.pods.get(revision.name)
        gains = release.weights.get(revision.version, 0) > service.told.get(revision.version, 0)
        gains |= revision.mirror > service.mirrored.get(revision.version, 0)
        if gains and (pod is None or pod.digest != revision.digest or not (pod.ready or leaves)):
            return False
    return True


def _drained(service: Service, name: str, now: datetime) -> bool:
    version = service.pods[name].version
    routes = [service.told, service.applied, service.mirrored, *(weights for _, weights in service.applying)]
    if not name.startswith("staging") and any(weights.get(version) for weights in routes):
        service.idle_since.pop(name, None)
        return False
    return now - service.idle_since.setdefault(name, now) >= DRAIN


def _observed(pod: Pod) -> ObservedRevision:
    return ObservedRevision(pod.version, pod.ready, pod.digest if pod.ready else None, pod.restarts, pod.unready_since)


def _counters(pod: Pod) -> Counters:
    return Counters(
        good=pod.good,
        refused=0,
        predictor_errors=pod.bad,
        proxy_errors=pod.bad,
        incarnation=str(pod.incarnation),
        within=(pod.good,) * len(LATENCY_EDGES),
        images=pod.good,
        low_confidence=0,
    )
