"""`policy.yaml` of an installation, as values: checklist, steps, margins, floors, serving, SLO, approvals.

Every key has a default, so an empty policy is a policy; a key nobody knows is refused by name, because a misspelt limit
is a missing limit. Text and sha256 go into a rollout's first entry: later edits affect later rollouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from registry.domain.card import Slo
from registry.domain.documents import sha256
from registry.domain.judge import GUARD_RATIO
from registry.domain.options import LONGEST, Options
from registry.domain.plan import ratio_at
from registry.domain.rules import KEYS, CheckRule, parse_rule
from registry.domain.signals import LABELS

POLICY = "policy.yaml"
SCHEMA = 1
FP32, INT8 = "fp32", "int8"
HIGHEST_FLOOR = 1 / GUARD_RATIO
"""The guard bets on answers being bad that many times as often as the floor, which must stay below all of them."""
STEP_KEYS = ("weight", "soak", "mirror", "header")

LAST_WEIGHT = 50
"""The last judged step: from there on the canary has as many requests as the stable revision."""


class WriteMode(StrEnum):
    """Who writes released objects: the controller (live) or git (gitops)."""

    LIVE = "live"
    GITOPS = "gitops"


@dataclass(frozen=True)
class Serving:
    """How revisions run. `resources` as in a container; `gateway` as the route's parent reference; both in a cluster.

    variant: `fp32` or `int8`, of versions promoted from now on.
    """

    variant: str = FP32
    image: str | None = None
    min_replicas: int = 2
    max_replicas: int = 10
    resources: Mapping[str, Any] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    gateway: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Percent of live requests for the canary (0: reached by header only, or mirrored to), and seconds at least.

    mirror: percent of live requests that the canary gets as copies, whose answers nobody sees.
    """

    weight: int
    soak: float = 60.0
    mirror: int = 0


@dataclass(frozen=True)
class Margin:
    """Up to this weight, this many times the stable's rate is unacceptable."""

    up_to: int
    ratio: float


@dataclass(frozen=True)
class Floors:
    """Rates below which nothing is unacceptable, whatever the ratio. latency None: 2·(1 − the SLO's objective)."""

    errors: float = 0.01
    latency: float | None = None
    refused: float = 0.05
    low_confidence: float = 0.10
    labels: float = 0.05


@dataclass(frozen=True)
class RolloutPolicy:
    """How a promotion to production goes. alpha, beta: per rollout. warmup, deadline, rollback_window: seconds.

    block: signals of pairs that a step with a mirror waits for. agreement: share of pairs in which both versions must
    say the same, None where any will do.
    """

    steps: tuple[Step, ...] = (Step(5), Step(10), Step(25), Step(50))
    margins: tuple[Margin, ...] = (Margin(10, 10.0), Margin(30, 4.0), Margin(50, 2.0))
    alpha: float = 0.05
    beta: float = 0.05
    floors: Floors = Floors()
    block: tuple[str, ...] = ()
    agreement: float | None = None
    warmup: float = 60.0
    deadline: float = 86400.0
    rollback_window: float = 3600.0

    def margin(self, weight: int) -> float:
        """The rate ratio that is unacceptable at a step of this weight."""
        return ratio_at(weight, [(margin.up_to, margin.ratio) for margin in self.margins])


@dataclass(frozen=True)
class SloPolicy:
    """Objectives for models whose card has none; None: the default holds. latency_seconds: within which to answer."""

    availability: float | None = None
    latency_seconds: float | None = None
    latency_objective: float | None = None

    def complete(self) -> Slo:
        """With the defaults where nothing is said."""
        default = Slo()
        return Slo(
            availability=default.availability if self.availability is None else self.availability,
            latency_seconds=self.latency_seconds or default.latency_seconds,
            latency_objective=self.latency_objective or default.latency_objective,
        )


@dataclass(frozen=True)
class DriftPolicy:
    """minimum: live answers before drift is judged; days: how far it looks back."""

    minimum: int = 10000
    days: float = 7.0


@dataclass(frozen=True)
class Approvals:
    """required: how many people must approve before production; expire: seconds an approval holds."""

    required: int = 0
    expire: float = 86400.0


@dataclass(frozen=True)
class Backup:
    """to: where backups go, None for nowhere; every: seconds between two."""

    to: str | None = None
    every: float | None = None


@dataclass(frozen=True)
class Policy:
    """The whole policy. `envoy`: headless Service of the gateway's pods, where there is one. `text`: as it was read."""

    write_mode: WriteMode = WriteMode.LIVE
    serving: Serving = Serving()
    checklist: tuple[CheckRule, ...] = ()
    rollout: RolloutPolicy = RolloutPolicy()
    slo: SloPolicy = SloPolicy()
    envoy: str | None = None
    drift: DriftPolicy = DriftPolicy()
    approvals: Approvals = Approvals()
    backup: Backup = Backup()
    text: str = ""

    @property
    def sha256(self) -> str:
        """Hexadecimal sha256 of `text`."""
        return sha256(self.text.encode())


def parse_policy(document: Mapping[str, Any], text: str) -> Policy:
    """Check a policy document that was read from `text`; raises InvalidDocument that names key, found and wanted."""
    keys = ("writeMode", "serving", "checklist", "rollout", "slo", "evidence", "drift", "approvals", "backup")
    top = Options(document, POLICY, "schema", *keys)
    if (schema := top.integer("schema", SCHEMA)) != SCHEMA:
        raise top.wrong(f"schema is {schema}", str(SCHEMA), "schema")
    return Policy(
        write_mode=WriteMode(top.choice("writeMode", WriteMode.LIVE, tuple(WriteMode))),
        serving=_serving(
            top.section("serving", "variant", "image", "minReplicas", "maxReplicas", "resources", "hosts", "gateway")
        ),
        checklist=tuple(parse_rule(rule) for rule in top.sections("checklist", *KEYS) or ()),
        rollout=_rollout(top),
        slo=_slo(top.section("slo", "availability", "latency")),
        envoy=top.section("evidence", "envoy").text("envoy"),
        drift=_drift(top.section("drift", "minimum", "days")),
        approvals=_approvals(top.section("approvals", "required", "expire")),
        backup=_backup(top.section("backup", "to", "every")),
        text=text,
    )


def _serving(options: Options) -> Serving:
    default = Serving()
    serving = Serving(
        variant=options.choice("variant", default.variant, (FP32, INT8)),
        image=options.text("image"),
        min_replicas=options.integer("minReplicas", default.min_replicas, minimum=1),
        max_replicas=options.integer("maxReplicas", default.max_replicas, minimum=1),
        resources=options.mapping("resources"),
        hosts=options.texts("hosts"),
        gateway=options.mapping("gateway"),
    )
    if serving.min_replicas > serving.max_replicas:
        wanted = f"at most maxReplicas, {serving.max_replicas}"
        raise options.wrong(f"minReplicas is {serving.min_replicas}", wanted, "minReplicas")
    return serving


def _rollout(top: Options) -> RolloutPolicy:
    names = ("steps", "margins", "alpha", "beta", "floors", "block", "agreement", "warmup", "deadline")
    options, default = top.section("rollout", *names, "rollbackWindow"), RolloutPolicy()
    items = options.sections("steps", *STEP_KEYS)
    margins = options.sections("margins", "upTo", "ratio")
    steps = default.steps if items is None else _steps(options, items)
    _check_pairs(options, steps)
    return RolloutPolicy(
        steps=steps,
        margins=default.margins if margins is None else _margins(options, margins),
        alpha=options.number("alpha", default.alpha, above=0, below=1),
        beta=options.number("beta", default.beta, above=0, below=1),
        floors=_floors(options.section("floors", "errors", "latency", "refused", "low_confidence", "labels")),
        block=options.texts("block"),
        # Below three quarters nobody could bet on four times as many disagreements as are allowed.
        agreement=options.limit("agreement", above=1 - HIGHEST_FLOOR, below=1),
        warmup=options.seconds("warmup", default.warmup),
        deadline=options.seconds("deadline", default.deadline),
        rollback_window=options.seconds("rollbackWindow", default.rollback_window),
    )


def parse_steps(document: object, *, where: str) -> tuple[Step, ...]:
    """A list of steps as the policy has it, from elsewhere. Raises InvalidDocument that names the step."""
    options = Options({"steps": document}, where, "steps")
    return _steps(options, options.sections("steps", *STEP_KEYS) or ())


def _steps(rollout: Options, items: tuple[Options, ...]) -> tuple[Step, ...]:
    steps = tuple(_step(item) for item in items)
    weights = [step.weight for step in steps if step.weight]
    if not weights or weights != sorted(set(weights)) or weights[-1] > LAST_WEIGHT:
        wanted = f"one or more, each above the last, up to {LAST_WEIGHT}"
        raise rollout.wrong(f"steps have weights {weights}", wanted, "steps")
    if any(not step.weight for step in steps[-len(weights) :]):
        raise rollout.wrong("a step without weight comes after one with weight", "header and mirror first", "steps")
    return steps


def _step(options: Options) -> Step:
    """`{weight: 10}`, `{mirror: 100}` or `{header: only}`: a revision is weighted or mirrored to, never both."""
    named = [name for name in ("weight", "mirror", "header") if options.has(name)]
    if len(named) > 1:
        raise options.wrong(f"found {' and '.join(named)}", "one of them", named[1])
    soak = options.seconds("soak", Step.soak)
    if "header" in named:
        options.choice("header", None, ("only",))
        return Step(0, soak)
    if "mirror" in named:
        mirror = options.integer("mirror", None, minimum=1)
        if mirror > 100:
            raise options.wrong(f"mirror is {mirror}", "a percentage from 1 to 100", "mirror")
        return Step(0, soak, mirror)
    return Step(options.integer("weight", None, minimum=1), soak)


def _check_pairs(rollout: Options, steps: tuple[Step, ...]) -> None:
    """What is judged by pairs wants a step that makes some."""
    for name in rollout.texts("block"):
        if name != LABELS:
            raise rollout.wrong(
                f"block names {name!r}", f"{LABELS}, or no key: all that may block otherwise does", "block"
            )
    for key in ("block", "agreement"):
        if rollout.has(key) and not any(step.mirror for step in steps):
            raise rollout.wrong(f"{key} without a step that mirrors", "{mirror: 100} as the first of steps", key)


def _margins(rollout: Options, items: tuple[Options, ...]) -> tuple[Margin, ...]:
    margins = tuple(
        Margin(item.integer("upTo", None, minimum=1), item.number("ratio", None, above=1)) for item in items
    )
    reach = [margin.up_to for margin in margins]
    if not reach or reach != sorted(set(reach)) or reach[-1] < LAST_WEIGHT:
        wanted = f"each above the last, and the last at least {LAST_WEIGHT}"
        raise rollout.wrong(f"margins reach up to {reach}", wanted, "margins")
    return margins


def _floors(options: Options) -> Floors:
    default = Floors()
    return Floors(
        errors=options.number("errors", default.errors, above=0, below=HIGHEST_FLOOR),
        latency=options.number("latency", 0.01, above=0, below=HIGHEST_FLOOR) if options.has("latency") else None,
        refused=options.number("refused", default.refused, above=0, below=HIGHEST_FLOOR),
        low_confidence=options.number("low_confidence", default.low_confidence, above=0, below=HIGHEST_FLOOR),
        labels=options.number("labels", default.labels, above=0, below=HIGHEST_FLOOR),
    )


def _slo(options: Options) -> SloPolicy:
    latency = options.section("latency", "seconds", "objective")
    return SloPolicy(
        availability=options.limit("availability", above=0, below=1),
        latency_seconds=latency.limit("seconds", above=0, below=LONGEST),
        latency_objective=latency.limit("objective", above=0, below=1),
    )


def _drift(options: Options) -> DriftPolicy:
    default = DriftPolicy()
    return DriftPolicy(
        minimum=options.integer("minimum", default.minimum, minimum=1),
        days=options.number("days", default.days, above=0, below=LONGEST / 86400),
    )


def _approvals(options: Options) -> Approvals:
    default = Approvals()
    return Approvals(options.integer("required", default.required), options.seconds("expire", default.expire))


def _backup(options: Options) -> Backup:
    return Backup(options.text("to"), options.limit("every", above=0, below=LONGEST))
