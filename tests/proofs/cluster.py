"""Revisions, routes and traffic that outlive every controller: what a fake substrate's writes change.

Time passes in rounds. A pod needs a round to be ready, a route a round to be applied; then traffic follows the weights
that are applied. What was really answered is remembered by version, so that evidence can be held against the truth.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from registry.domain.journal import Anchor
from registry.domain.version import Model, Version

SECONDS = 4.0
"""Of a round: longer than the time in which answers may still come from old weights."""

LATE = 3
"""Rounds until a late write is done."""

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Behaviour:
    """How a version behaves. errors: share of its answers. boots: rounds until ready, None: never.

    digest: what it says it serves, None: what it was started with. restarts: how often it came back already.
    """

    errors: float = 0.0
    boots: int | None = 1
    digest: str | None = None
    restarts: int = 0


@dataclass
class Pod:
    """One running revision. boots: rounds until it is ready, None: never."""

    version: Version
    digest: str
    incarnation: int
    boots: int | None
    unready_since: datetime | None
    restarts: int = 0
    good: int = 0
    bad: int = 0

    @property
    def ready(self) -> bool:
        return self.boots == 0


@dataclass
class Service:
    """One model: pods by name, the route as told and as applied, the anchor beside it.

    sequence: the journal's entry that the route was made from. mirrored: percent of copies per version, with the route
    that was told. later: what was accepted and is not done yet, by pod;
    the next write about a pod replaces it. generation counts writes, so that who saw an older one is refused.
    """

    pods: dict[str, Pod] = field(default_factory=dict)
    told: Mapping[Version, int] = field(default_factory=dict)
    applied: Mapping[Version, int] = field(default_factory=dict)
    before: Mapping[Version, int] = field(default_factory=dict)
    applying: list[tuple[int, Mapping[Version, int]]] = field(default_factory=list)
    later: dict[str, tuple[int, Callable[[], None]]] = field(default_factory=dict)
    mirrored: Mapping[Version, int] = field(default_factory=dict)
    idle_since: dict[str, datetime] = field(default_factory=dict)
    anchor: Anchor | None = None
    sequence: int = 0
    generation: int = 0
    answered: Counter[Version] = field(default_factory=Counter)


@dataclass
class Cluster:
    """All models. traffic: answers a round and model."""

    services: dict[Model, Service] = field(default_factory=dict)
    behaviours: dict[Version, Behaviour] = field(default_factory=dict)
    traffic: int = 100
    now: datetime = NOON
    round: int = 0
    _started: int = 0

    def service(self, model: Model) -> Service:
        return self.services.setdefault(model, Service())

    def behaviour(self, version: Version) -> Behaviour:
        return self.behaviours.get(version, Behaviour())

    def start(self, model: Model, name: str, version: Version, digest: str) -> None:
        """A pod, unless it is there; it stays when it was about to leave."""
        self.service(model).later.pop(name, None)
        self._started += 1
        behaviour = self.behaviour(version)
        pod = Pod(
            version, behaviour.digest or digest, self._started, behaviour.boots, self.now, restarts=behaviour.restarts
        )
        self.service(model).pods.setdefault(name, pod)

    def stop(self, model: Model, name: str) -> None:
        self.service(model).later.pop(name, None)
        self.service(model).pods.pop(name, None)

    def postpone(self, model: Model, name: str, act: Callable[[], None]) -> None:
        """Do it some rounds later, unless another write about this pod comes first."""
        self.service(model).later[name] = (self.round + LATE, act)

    def tell(
        self,
        model: Model,
        weights: Mapping[Version, int],
        sequence: int,
        *,
        mirrored: Mapping[Version, int],
        rounds: int,
    ) -> None:
        """A route, made from the journal up to this entry, applied so many rounds later."""
        service = self.service(model)
        service.told, service.sequence, service.mirrored = weights, sequence, mirrored
        service.applying = [*service.applying, (self.round + rounds, weights)]

    def crash(self, model: Model, version: Version) -> None:
        """Its process is replaced: not ready, counters at zero."""
        for pod in self.service(model).pods.values():
            if pod.version == version:
                self._started += 1
                pod.incarnation, pod.boots, pod.unready_since = self._started, self.behaviour(version).boots, self.now
                pod.restarts, pod.good, pod.bad = pod.restarts + 1, 0, 0

    def flap(self, model: Model) -> None:
        """Nothing is ready for a round; no process ended."""
        for pod in self.service(model).pods.values():
            if pod.ready:
                pod.boots, pod.unready_since = 1, self.now

    def pass_time(self) -> None:
        """One round."""
        self.round += 1
        self.now += timedelta(seconds=SECONDS)
        for service in self.services.values():
            for name, (at, act) in tuple(service.later.items()):
                if at <= self.round:
                    del service.later[name]
                    act()
            self._apply(service)
            for pod in service.pods.values():
                _boot(pod)
            self._flow(service)

    def _apply(self, service: Service) -> None:
        """Routes reach the proxy in the order in which they were told: a later one overtakes those before."""
        due = [weights for at, weights in service.applying if at <= self.round]
        if due:
            last = max(index for index, (at, _) in enumerate(service.applying) if at <= self.round)
            service.applying = service.applying[last + 1 :]
            if service.applied != due[-1]:
                service.before, service.applied = service.applied, due[-1]

    def _flow(self, service: Service) -> None:
        for version, weight in service.applied.items():
            live = [
                pod for name, pod in service.pods.items() if pod.version == version and pod.ready and name[0] == "v"
            ]
            answers = self.traffic * weight // 100
            if live and answers:
                bad = round(answers * self.behaviour(version).errors)
                live[0].good += answers - bad
                live[0].bad += bad
                service.answered[version] += answers


def _boot(pod: Pod) -> None:
    if pod.boots:
        pod.boots -= 1
        if pod.ready:
            pod.unready_since = None
