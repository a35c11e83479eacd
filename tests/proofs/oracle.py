"""What must hold after every effect, told by nobody but the files of the journal and the cluster itself.

The ledger reads entries on its own: it shares the shape of an entry with the registry, and no rule.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.domain.documents import sha256
from registry.domain.errors import JournalDamaged, RegistryError
from registry.domain.fold import fold
from registry.domain.journal import NO_ANCHOR, Entry, Kind
from registry.domain.policy import LAST_WEIGHT
from registry.domain.signals import ERRORS, LATENCY, LOW_CONFIDENCE, RATIO, REFUSED
from registry.domain.stages import Stage
from registry.domain.state import Rollout, State
from registry.domain.version import Model, Version
from registry.store.home import Home
from registry.store.journal import JournalStore
from tests.proofs.cluster import Cluster, Service
from tests.proofs.machine import Point

ALWAYS = (ERRORS, REFUSED, LOW_CONFIDENCE)
"""Signals that block every step that has a weight."""

COUNTED = (*ALWAYS, LATENCY, RATIO)
"""Signals whose exposure is answers of live requests, one image each."""


class Violation(AssertionError):
    """A promise was broken."""


@dataclass
class Ledger:
    """What the journal of one model permits so far. allowed: the largest live weight of each version; copied: the same
    of copies. history: both after each entry.
    """

    digests: dict[Version, str] = field(default_factory=dict)
    allowed: dict[Version, int] = field(default_factory=dict)
    copied: dict[Version, int] = field(default_factory=dict)
    history: list[tuple[Mapping[Version, int], Mapping[Version, int]]] = field(default_factory=lambda: [({}, {})])
    production: Version | None = None
    canary: Version | None = None
    asked: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    def read(self, entry: Entry) -> None:
        data = entry.data
        self._request(entry)
        match entry.kind:
            case Kind.PUBLISHED:
                self.digests[data["version"]] = data["digest"]
            case Kind.STARTED:
                self.canary = data["version"]
            case Kind.STEPPED:
                self._canary(data["version"], weight=data["weight"], copies=data.get("mirror", 0))
            case Kind.WITHHELD:
                self._canary(data["version"], weight=0, copies=0)
            case Kind.PROMOTED:
                self._serve(data["version"])
            case Kind.ROLLED_BACK | Kind.ABORTED | Kind.EXPIRED if "promotion" not in data:
                if self.canary is None:
                    self._serve(data["to"])
                else:
                    self._canary(self.canary, weight=0, copies=0)
                    self.canary = None
        self.history.append((dict(self.allowed), dict(self.copied)))

    def _canary(self, version: Version, *, weight: int, copies: int) -> None:
        self.allowed[version], self.copied[version] = weight, copies

    def _serve(self, version: Version) -> None:
        self.production, self.canary, self.allowed, self.copied = version, None, {version: 100}, {}

    def _request(self, entry: Entry) -> None:
        if entry.kind is Kind.REQUESTED:
            self.asked.add(entry.data["id"])
        ends = [entry.data.get("request"), entry.data.get("promotion") if entry.kind is Kind.ABORTED else None]
        for request in (found for found in ends if found is not None):
            if request in self.answered:
                raise Violation(f"request {request} is answered twice, again in entry {entry.sequence} ({entry.kind})")
            self.answered.add(request)


@dataclass
class Watch:
    """One model, as it was seen after the last effect. damaged: how many entries there are of a journal that is not
    the one acted upon; nothing may be done until it is adopted. live: what is read happens now. truth, began: answers
    given when the step and the rollout began.
    """

    model: Model
    journal: JournalStore
    state: State
    ledger: Ledger = field(default_factory=Ledger)
    entries: tuple[Entry, ...] = ()
    told: Mapping[Version, int] = field(default_factory=dict)
    sequence: int = 0
    pods: frozenset[str] = frozenset()
    damaged: bool = False
    adopted: bool = False
    live: bool = False
    truth: Counter[Version] | None = None
    began: Counter[Version] | None = None


class Oracle:
    """Looks after every effect; raises Violation.

    racing: a controller may act on what it read a moment before another one recorded more; then what was recorded until
    there counts, and no route is made from less than the one before.
    """

    def __init__(self, home: Home, cluster: Cluster, models: tuple[Model, ...], *, racing: bool) -> None:
        self._racing = racing
        self._home = home
        self._cluster = cluster
        self._watched = [self._begin(model) for model in models]

    def _begin(self, model: Model) -> Watch:
        watch, service = Watch(model, self._home.journal_of(model), State(model)), self._cluster.service(model)
        self._read(watch)
        watch.told, watch.sequence, watch.pods = service.told, service.sequence, frozenset(service.pods)
        watch.live = True
        watch.damaged = service.anchor is not None and not _holds(watch.entries, service)
        return watch

    def state(self, model: Model) -> State:
        return next(watch.state for watch in self._watched if watch.model == model)

    def entries(self, model: Model) -> tuple[Entry, ...]:
        return next(watch.entries for watch in self._watched if watch.model == model)

    def after(self, point: Point) -> None:
        """Look at what this effect may have changed."""
        for watch in self._watched:
            if point.verb in ("link", "rename"):
                self._read(watch)
            elif point.verb in ("start", "stop", "route", "anchor"):
                self._substrate(watch)

    def look(self) -> None:
        """Look at everything, when a round is over."""
        for watch in self._watched:
            self._read(watch)
            self._substrate(watch)

    def finish(self) -> None:
        """Read every journal as a newcomer: what was read once is what is there."""
        for watch in self._watched:
            try:
                fresh = self._home.journal_of(watch.model).read()
            except JournalDamaged as error:
                raise Violation(f"{watch.model}: a newcomer finds the journal damaged: {error}") from error
            if fresh != watch.entries:
                raise Violation(f"{watch.model}: the journal is not the one that was read entry by entry")

    def _read(self, watch: Watch) -> None:
        try:
            entries = watch.journal.read()
            new = entries[len(watch.entries) :]
            restored = any(entry.kind is Kind.RESTORED for entry in new)  # all of it appears in one step
            watch.adopted |= restored
            for entry in new:
                self._entry(watch, entry, live=watch.live and not restored)
        except JournalDamaged as error:
            raise Violation(f"{watch.model}: a reader finds the journal damaged: {error}") from error
        watch.entries = entries

    def _entry(self, watch: Watch, entry: Entry, *, live: bool) -> None:
        before = watch.state
        watch.state = fold(watch.model, [entry], state=before)
        watch.ledger.read(entry)
        serving = [found.version for found in watch.state.versions.values() if found.stage is Stage.PRODUCTION]
        recorded = watch.ledger.production
        if serving != ([recorded] if recorded else []) or watch.state.production != recorded:
            raise Violation(f"{watch.model} entry {entry.sequence}: {serving} in production, recorded is {recorded}")
        watch.adopted |= entry.kind is Kind.ADOPTED
        if watch.damaged and not watch.adopted and entry.kind is not Kind.REQUESTED:
            raise Violation(f"{watch.model} entry {entry.sequence} ({entry.kind}) goes on from a damaged journal")
        if live:
            self._bytes(watch, entry)
            self._evidence(watch, entry, before)

    def _bytes(self, watch: Watch, entry: Entry) -> None:
        """No version gets further whose bytes are not what was signed and recorded."""
        if entry.kind not in (Kind.PUBLISHED, Kind.STAGED, Kind.STARTED):
            return
        version = Version(entry.data["version"])
        try:
            digest = self._home.versions().verify(watch.model, version, self._home.trust()).digest
        except RegistryError as error:
            raise Violation(f"{watch.model} entry {entry.sequence} ({entry.kind}): {error}") from error
        if digest != watch.ledger.digests[version]:
            raise Violation(f"{watch.model} entry {entry.sequence} ({entry.kind}): the store has digest {digest}")

    def _evidence(self, watch: Watch, entry: Entry, before: State) -> None:
        """Nothing is passed without an answer, or on more than were given since the step and the rollout began."""
        given = self._cluster.service(watch.model).answered.copy()
        rollout = before.rollout
        if entry.kind is Kind.STARTED:
            watch.began = given
        if rollout is not None and rollout.step >= 0 and watch.began is not None and watch.truth is not None:
            for signal in [name for name in COUNTED if name in rollout.evidence]:
                evidence = rollout.evidence[signal]
                since = {"step": (evidence.step, watch.truth), "rollout": (evidence.total, watch.began)}
                for what, (counted, then) in since.items():
                    if counted.canary_exposure > given[rollout.version] - then[rollout.version]:
                        raise Violation(
                            f"{watch.model}: {signal} counts {counted} in this {what}, given are {given} − {then}"
                        )
            unseen = [name for name in _blocking(rollout) if not _answers(rollout, name)]
            if rollout.base is not None and unseen and _advances(entry, rollout.step):
                raise Violation(
                    f"{watch.model} entry {entry.sequence} ({entry.kind}): passed without an answer on {unseen}"
                )
        if entry.kind is Kind.STEPPED and (rollout is None or entry.data["step"] != rollout.step):
            watch.truth = given

    def _substrate(self, watch: Watch) -> None:
        service = self._cluster.service(watch.model)
        if service.told is not watch.told:
            self._told(watch, service)
        left = watch.pods - service.pods.keys()
        for name in left:
            self._left(watch, service, name)
        acted = service.told is not watch.told or watch.pods != frozenset(service.pods)
        if watch.damaged and not watch.adopted and acted:
            raise Violation(f"{watch.model}: acted upon a journal that is not the one acted upon before")
        watch.told, watch.sequence, watch.pods = service.told, service.sequence, frozenset(service.pods)
        if service.anchor is not None and not watch.damaged and not _holds(watch.entries, service):
            raise Violation(f"{watch.model}: the anchor names entry {service.anchor.sequence}, which is not there")

    def _told(self, watch: Watch, service: Service) -> None:
        weights = service.told
        if sum(weights.values()) not in ({0, 100} if not weights else {100}) or min(weights.values(), default=0) < 0:
            raise Violation(f"{watch.model}: weights {dict(weights)} do not sum to 100")
        if service.sequence < watch.sequence and not watch.adopted:
            raise Violation(f"{watch.model}: a route of entry {service.sequence} after one of {watch.sequence}")
        if both := [version for version in service.mirrored if weights.get(version)]:
            raise Violation(f"{watch.model}: {both} are weighted and mirrored to")
        now = (watch.ledger.allowed, watch.ledger.copied)
        allowed, copied = watch.ledger.history[service.sequence] if self._racing else now
        self._recorded(watch, service, weights, allowed)
        self._recorded(watch, service, service.mirrored, copied)

    def _recorded(
        self, watch: Watch, service: Service, route: Mapping[Version, int], allows: Mapping[Version, int]
    ) -> None:
        """Who gets live requests, or copies of them, may have them and runs what was recorded."""
        for version, weight in route.items():
            allowed = allows.get(version, 0)
            if weight > allowed:
                raise Violation(f"{watch.model}: {version} gets {weight} %, recorded are {allowed} %")
            pod = service.pods.get(f"v{version}")
            if weight and (pod is None or pod.digest != watch.ledger.digests[version]):
                raise Violation(f"{watch.model}: {version} gets {weight} % and does not run what was recorded: {pod}")

    def _left(self, watch: Watch, service: Service, name: str) -> None:
        version = Version(name.removeprefix("v"))
        for route in (service.told, service.applied, service.mirrored):
            if route.get(version):
                raise Violation(f"{watch.model}: the pod of {version} leaves with {route[version]} % of the requests")


def _advances(entry: Entry, step: int) -> bool:
    return entry.kind is Kind.PROMOTED or (entry.kind is Kind.STEPPED and entry.data["step"] > step)


def _blocking(rollout: Rollout) -> tuple[str, ...]:
    """What must have been seen before a step is passed; every revision of the fake cluster is one pod."""
    if not rollout.weight:
        return ()
    return (*ALWAYS, LATENCY) if rollout.weight == LAST_WEIGHT else ALWAYS


def _answers(rollout: Rollout, signal: str) -> int:
    return rollout.evidence[signal].step.canary_exposure if signal in rollout.evidence else 0


def _holds(entries: tuple[Entry, ...], service: Service) -> bool:
    """Whether the journal has the entry that the anchor names."""
    anchor = service.anchor
    if anchor is None or len(entries) < anchor.sequence:
        return False
    return anchor == NO_ANCHOR or sha256(entries[anchor.sequence - 1].content()) == anchor.sha256
