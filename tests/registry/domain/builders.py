"""An installation without processes: a journal written through `seal` and `fold`, and a substrate that obeys at once.

States are never made by hand: whatever a test starts from, the same entries led there that a controller would write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from registry.domain.answers import SILENT, Answers, Key
from registry.domain.card import Card, InputSpec, Lineage, Metrics, Reference, Slo
from registry.domain.checklist import Candidate
from registry.domain.decision import decide
from registry.domain.evaluation import EvaluatedImage, Evaluation
from registry.domain.fold import fold
from registry.domain.journal import Draft, Entry, Kind, parse_entry, seal
from registry.domain.judge import NOTHING, Evidence
from registry.domain.labels import LabelFile
from registry.domain.manifest import Manifest
from registry.domain.observation import Counters, Latency, Observation, ObservedRevision, ObservedRoute
from registry.domain.policy import Policy, RolloutPolicy, Step
from registry.domain.rules import Check, CheckRule
from registry.domain.signals import ERRORS, LATENCY_EDGES
from registry.domain.state import State, release
from registry.domain.turn import Decision, Memory, Turn
from registry.domain.version import Model, Version

MODEL = Model("shapes")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
V1, V2, V3 = Version("1"), Version("2"), Version("3")
UNMEASURED = CheckRule(Check.LATENCY, required=False)
"""Nothing waits for the latency of a staging revision."""

QUICK = Policy(
    checklist=(UNMEASURED,),
    rollout=RolloutPolicy(steps=(Step(10, 5), Step(50, 5)), warmup=0, deadline=3600, rollback_window=300),
)
"""Two judged steps of 5 s; nothing has to warm up."""

SLOW = replace(QUICK, rollout=replace(QUICK.rollout, steps=(Step(10, 600), Step(50, 600))))

IMAGES = 400


@cache
def candidate(version: Version, *, wrong: int = 8) -> Candidate:
    """A version that verifies and whose first `wrong` of IMAGES test images are mistaken; every other is a square."""
    names = ("circle", "square")
    images = tuple(
        EvaluatedImage(str(number), names[number % 2], names[(number + (number < wrong)) % 2])
        for number in range(IMAGES)
    )
    card = Card(
        model=MODEL,
        version=version,
        classes=names,
        input=InputSpec(64, 64),
        metrics=Metrics(1 - wrong / IMAGES, 0.01, {"circle": 0.98, "square": 0.98}),
        reference=Reference((1, 1), (0,) * 20),
        low_confidence=0.6,
        slo=Slo(),
        variants={"fp32": {"file": "model.tflite", "parity": 1e-6}},
        lineage=Lineage("run", "data", "code"),
    )
    return Candidate(version, Manifest(MODEL, version, NOON, ()), card=card, evaluation=Evaluation("test", images))


def digest(version: Version) -> str:
    """What `version` was signed with."""
    found = candidate(version).digest
    assert found is not None
    return found


def recorded(drafts: Sequence[Draft], *, after: Sequence[Entry] = (), now: datetime = NOON) -> tuple[Entry, ...]:
    """`after` and the entries that these drafts become, as they are read back from their files."""
    entries = list(after)
    for draft in drafts:
        entry = seal(draft, now=now, head=entries[-1] if entries else None)
        entries.append(parse_entry(entry.content(), name=str(entry.sequence)))
    return tuple(entries)


@dataclass
class Running:
    """One revision: what it reports and counts. Change it to make it fail."""

    ready: bool = True
    digest: str | None = None
    restarts: int = 0
    unready_since: datetime | None = None
    pods: int = 1
    out_of_memory: bool = False
    problem: str | None = None
    good: int = 0
    refused: int = 0
    errors: int = 0
    proxy_errors: int | None = 0
    incarnation: str = "a"
    slow: int = 0
    low: int = 0

    def counters(self) -> Counters:
        """Of one image an answer; a slow one takes longer than every edge."""
        return Counters(
            good=self.good,
            refused=self.refused,
            predictor_errors=self.errors,
            proxy_errors=self.proxy_errors,
            incarnation=self.incarnation,
            within=(self.good - self.slow,) * len(LATENCY_EDGES),
            images=self.good,
            low_confidence=self.low,
        )

    def observed(self, version: Version) -> ObservedRevision:
        return ObservedRevision(
            version=version,
            ready=self.ready,
            digest=self.digest,
            restarts=self.restarts,
            unready_since=self.unready_since,
            pods=self.pods,
            out_of_memory=self.out_of_memory,
            problem=self.problem,
        )


@dataclass
class Installation:
    """A model between two turns. The substrate obeys each release at the end of a turn unless `obeys` is False."""

    policy: Policy = QUICK
    now: datetime = NOON
    entries: tuple[Entry, ...] = ()
    memory: Memory = field(default_factory=Memory)
    running: dict[Version, Running] = field(default_factory=dict)
    unanswered: set[Version] = field(default_factory=set)
    found: dict[Version, str] = field(default_factory=dict)
    candidates: dict[Version, Candidate] = field(default_factory=dict)
    latency: dict[Version, Latency] = field(default_factory=dict)
    answers: dict[Version, Answers] = field(default_factory=dict)
    labels: LabelFile | None = None
    route: ObservedRoute | None = None
    obeys: bool = True
    state: State = field(default_factory=lambda: State(MODEL))
    _asked: int = 0

    def record(self, *drafts: Draft) -> None:
        """Append and fold."""
        known = len(self.entries)
        self.entries = recorded(drafts, after=self.entries, now=self.now)
        self.state = fold(MODEL, self.entries[known:], state=self.state)

    def publish(self, *versions: Version) -> None:
        """Put versions into the store; the next turn finds them."""
        self.found |= {version: digest(version) for version in versions}
        self.candidates |= {version: candidate(version) for version in versions}

    def ask(
        self,
        action: str,
        version: Version | None = None,
        to: str = "",
        source: str | None = None,
        *,
        by: str = "ann",
        force: bool = False,
        reason: str = "",
    ) -> str:
        """File a request; return its id."""
        self._asked += 1
        data = {"id": f"r{self._asked}", "action": action, "version": version, "to": to, "sourceStage": source}
        self.record(Draft(Kind.REQUESTED, by, {**data, "force": force, "reason": reason, "requestedBy": by}))
        return f"r{self._asked}"

    def count(
        self, version: Version, good: int, errors: int = 0, *, slow: int = 0, low: int = 0, refused: int = 0
    ) -> None:
        """Answers of one revision, errors seen by predictor and proxy alike; slow and low ones are among the good."""
        running = self.running[version]
        running.good += good
        running.errors += errors
        running.slow += slow
        running.low += low
        running.refused += refused
        running.proxy_errors = None if running.proxy_errors is None else running.proxy_errors + errors

    def say(self, version: Version, **classes: str) -> None:
        """Answers of one image each, by the id of their request."""
        before, new = self.answers.get(version, SILENT), {Key(id, 0): name for id, name in classes.items()}
        self.answers[version] = Answers({**before.known, **new}, (*before.new, *new))

    def label(self, file: str, **classes: str) -> Entry:
        """Leave a file of labels; return the entry that recorded it."""
        self.labels = LabelFile(file, "ann", tuple((Key(id, 0), name) for id, name in classes.items()))
        self.turn()
        return next(entry for entry in reversed(self.entries) if entry.kind is Kind.LABELLED)

    def evidence(self, name: str = ERRORS) -> Evidence:
        """What the controller knows of one signal."""
        return self.memory.evidence.get(name, NOTHING)

    def observation(self) -> Observation:
        revisions = {version: seen.observed(version) for version, seen in self.running.items()}
        counters = {v: seen.counters() for v, seen in self.running.items() if v not in self.unanswered}
        return Observation(revisions, self.route, counters, self.latency, self.answers)

    def decide(self) -> Decision:
        """What this turn would record."""
        found = Turn(
            state=self.state,
            observation=self.observation(),
            now=self.now,
            policy=self.policy,
            memory=self.memory,
            found=self.found,
            candidates=self.candidates,
            labels=self.labels,
        )
        return decide(found)

    def turn(self, seconds: float = 1.0) -> Decision:
        """Let time pass, decide, record, act."""
        self.now += timedelta(seconds=seconds)
        decision = self.decide()
        self.record(*decision.drafts)
        self.memory, self.labels = decision.memory, None
        self.answers = {version: Answers(found.known) for version, found in self.answers.items()}
        if self.obeys:
            self.act()
        return decision

    def act(self) -> None:
        """Run what the release names (a new process is ready at once) and route to it."""
        wanted = release(self.state)
        self.running = {
            found.version: self.running.get(found.version, Running(digest=found.digest)) for found in wanted.live
        }
        if self.route is None or self.route.weights != wanted.weights:
            self.route = ObservedRoute(wanted.weights, self.now, wanted.anchor)

    def turns(self, until: Callable[["Installation"], bool], *, each: Callable[[], None] = lambda: None) -> None:
        """Turns of a second until `until` holds; `each` happens before every one."""
        for _ in range(2000):
            if until(self):
                return
            each()
            self.turn()
        raise AssertionError(f"not reached after 2000 turns: {kinds(self.entries)[-20:]}")

    def restart(self) -> None:
        """The controller is killed and started again: the journal is all that it has."""
        self.memory = Memory()
        self.state = fold(MODEL, self.entries)


def kinds(entries: Sequence[Entry | Draft]) -> list[str]:
    return [entry.kind.value for entry in entries]


def idle(policy: Policy = QUICK, *, first: Version = V1) -> Installation:
    """Version 1 in production, its rollback window over, versions 2 and 3 published."""
    place = Installation(policy=policy)
    place.publish(V1, V2, V3)
    place.turn()
    place.ask("promote", first, "production")
    place.turns(lambda it: it.state.production == first)
    place.turns(lambda it: it.state.guarding is None)
    return place


def stepping(policy: Policy = QUICK) -> Installation:
    """Version 2 at its first step beside version 1, the route settled, the first reading taken."""
    place = idle(policy)
    place.ask("promote", V2, "production")
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 0)
    for _ in range(4):
        place.turn()
    return place


def soaking() -> Installation:
    """As `stepping`, at a step whose soak no test waits for."""
    return stepping(SLOW)


def promoted(policy: Policy = QUICK) -> Installation:
    """Version 2 in production inside its rollback window, version 1 waiting, the first reading taken."""
    place = stepping(policy)
    place.turns(lambda it: it.state.production == V2, each=lambda: traffic(place))
    for _ in range(4):
        place.turn()
    return place


def traffic(place: Installation, good: int = 400) -> None:
    """So many clean answers, split as the route says."""
    weights = place.route.weights if place.route is not None else {}
    for version in place.running:
        place.count(version, good * weights.get(version, 0) // 100)


def with_policy(policy: Policy, **changes: object) -> Policy:
    """`policy` with changes to its rollout."""
    return replace(policy, rollout=replace(policy.rollout, **changes))  # type: ignore[arg-type]
