"""The state of one model as its journal tells it (`fold.py` makes it), and the release that follows from it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from registry.domain.answers import Key
from registry.domain.errors import NotFound
from registry.domain.journal import NO_ANCHOR, Anchor
from registry.domain.judge import NOTHING, Evidence, StartMixture
from registry.domain.plan import Plan, StepPlan
from registry.domain.policy import FP32
from registry.domain.release import Release, RevisionRelease
from registry.domain.stages import Stage
from registry.domain.version import Model, Version

LABELS_KEPT = 100_000
"""Labels that are remembered, so that a second one of the same image does not count: more than answers are."""


@dataclass(frozen=True)
class VersionState:
    """A version that exists. sequence: its `published` entry; versions are ordered by it.

    deleted: of its files only the signed list is left, so that its number stays taken; it goes nowhere any more.
    variant: which of its nets serves. forced: the checks it got its stage in spite of. right, wrong: its live answers
    that somebody labelled.
    """

    version: Version
    digest: str
    stage: Stage
    sequence: int
    published: datetime
    deleted: bool = False
    variant: str = FP32
    forced: tuple[str, ...] = ()
    right: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Labelled:
    """A batch of recorded labels: the names of their files, and the images they are of."""

    files: frozenset[str] = frozenset()
    keys: frozenset[Key] = frozenset()


@dataclass(frozen=True)
class Approval:
    """Somebody's word for a version, bound to its digest."""

    version: Version
    digest: str
    by: str
    time: datetime


@dataclass(frozen=True)
class Split:
    """What a comparison asks for: `base` keeps all but `weight` percent of the live requests for so many seconds."""

    base: Version | None
    weight: int
    seconds: float


@dataclass(frozen=True)
class Request:
    """What was asked and is not answered yet. to: `staging` or `production` for a promotion, else empty.

    force: go on in spite of checks. staged: when its version went to staging on the way to production. split: of a
    comparison. steps: in place of the policy's, None for those. digest: what an approval is for, where it says so.
    promotion: the id of the request that a pause, resume or abort is about, None for whatever is in progress.
    authenticated: who asks was checked.
    """

    id: str
    action: str
    version: Version | None
    to: str
    source_stage: str | None
    reason: str
    by: str
    time: datetime
    force: bool = False
    staged: datetime | None = None
    steps: tuple[StepPlan, ...] | None = None
    digest: str | None = None
    promotion: str | None = None
    authenticated: bool = False
    split: Split | None = None

    @property
    def starts(self) -> bool:
        """Whether it wants a version to run: a promotion or a comparison."""
        return self.action in ("promote", "compare")


@dataclass(frozen=True)
class Rollout:
    """A promotion to production, or a comparison with it, in progress. base: what it is compared with, None for the
    first one.

    step: index into plan.steps, -1 until the canary is ready. withheld: the canary has weight 0 for lack of endpoints.
    stepped: when the step began, later by as long as it was paused. paused: since when. evidence: per signal. verdict:
    kind and reason of the last recorded verdict.
    """

    request: str
    by: str
    version: Version
    base: Version | None
    plan: Plan
    started: datetime
    step: int = -1
    stepped: datetime | None = None
    withheld: bool = False
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: MappingProxyType({}))
    verdict: tuple[str, str] | None = None
    paused: datetime | None = None

    @property
    def what(self) -> str:
        """Its name for people."""
        return "comparison" if self.plan.comparison else "rollout"

    @property
    def weight(self) -> int:
        """Percent of live requests the canary shall get now."""
        return 0 if self.step < 0 or self.withheld else self.plan.steps[self.step].weight

    @property
    def mirror(self) -> int:
        """Percent of live requests the canary shall get copies of now."""
        return 0 if self.step < 0 or self.withheld else self.plan.steps[self.step].mirror

    def soaked(self, now: datetime) -> bool:
        """Whether the step lasted as long as it must."""
        return self.soak_left(now) <= 0

    def soak_left(self, now: datetime) -> float:
        """Seconds until it has, below zero afterwards; infinite before the first step. A pause does not count."""
        if self.stepped is None:
            return math.inf
        return self.plan.steps[self.step].soak - ((self.paused or now) - self.stepped).total_seconds()


@dataclass(frozen=True)
class Guarding:
    """The rollback window after a promotion: `previous` still runs at weight 0.

    started: when its rollout did. labels: what they said of both before, and what late ones say.
    """

    version: Version
    previous: Version | None
    plan: Plan
    started: datetime
    since: datetime
    labels: Evidence = NOTHING
    mixture: StartMixture = field(default_factory=StartMixture)
    good: int = 0
    bad: int = 0
    verdict: tuple[str, str] | None = None


@dataclass(frozen=True)
class DriftRecord:
    """The newest journal entries on drift: of the class mix's reference, and of each signal's episode that goes on."""

    reference: Mapping[str, Any] | None = None
    alarms: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class State:
    """A model as its journal tells it. pods: production's at the last step, else as its policy wants them at least.

    labelled: the newest batches of labels, of LABELS_KEPT images.
    """

    model: Model
    versions: Mapping[Version, VersionState] = field(default_factory=lambda: MappingProxyType({}))
    production: Version | None = None
    staging: Version | None = None
    previous: Version | None = None
    requests: tuple[Request, ...] = ()
    approvals: tuple[Approval, ...] = ()
    rollout: Rollout | None = None
    guarding: Guarding | None = None
    labelled: tuple[Labelled, ...] = ()
    pods: int = 1
    drift: DriftRecord = field(default_factory=DriftRecord)
    head: Anchor = NO_ANCHOR
    time: datetime | None = None

    def has_labels(self, file: str) -> bool:
        """Whether the labels of this file are recorded."""
        return any(file in batch.files for batch in self.labelled)

    @property
    def counted(self) -> frozenset[Version]:
        """The versions whose counters decide now; production while nothing is to be decided."""
        rollout = self.rollout
        if rollout is None:
            return frozenset(filter(None, (self.production,)))
        canary = rollout.version if rollout.step >= 0 else None
        return frozenset(filter(None, (rollout.base, canary)))

    @property
    def leaving(self) -> Version | None:
        """What a rollback leaves: the version of a rollout, else production."""
        return self.rollout.version if self.rollout is not None else self.production

    def version(self, version: Version) -> VersionState:
        """The version's state; raises NotFound."""
        if version not in self.versions:
            newest = ", ".join(list(self.versions)[-10:]) or "none"
            raise NotFound(
                f"{self.model} has no version {version}; published last are: {newest}; `geometry models list` shows all"
            )
        return self.versions[version]


def release(state: State) -> Release:
    """What the substrate shall be now."""

    def revision(version: Version, weight: int, replicas: int, mirror: int = 0) -> RevisionRelease:
        known = state.version(version)
        return RevisionRelease(version, known.digest, weight, replicas, mirror, known.variant)

    rollout, guarding, pods = state.rollout, state.guarding, state.pods
    stable = revision(state.production, 100, pods) if state.production else None
    canaries: tuple[RevisionRelease, ...] = ()
    if rollout is not None and stable is None:
        stable = revision(rollout.version, 0, pods)
    elif rollout is not None and stable is not None:
        stable = replace(stable, weight=100 - rollout.weight)
        # all requests mirrored are as much work as half of them answered
        replicas = canary_replicas(pods, rollout.weight or math.ceil(rollout.mirror / 2))
        canaries = (revision(rollout.version, rollout.weight, replicas, rollout.mirror),)
    elif guarding is not None and guarding.previous is not None:
        canaries = (revision(guarding.previous, 0, pods),)
    staged = state.staging if rollout is None or rollout.version != state.staging else None
    return Release(
        model=state.model,
        stable=stable,
        canaries=canaries,
        staging=revision(staged, 0, 1) if staged else None,
        anchor=state.head,
    )


def canary_replicas(stable: int, weight: int) -> int:
    """Pods of a canary at `weight` percent beside `stable` pods: equal load per pod, at least one, at most `stable`."""
    return stable if weight >= 50 else max(1, math.ceil(stable * weight / (100 - weight)))
