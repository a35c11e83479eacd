"""What the controller knows of its models, as values of metrics: a pure function of what it keeps anyway.

Closed sets are whole from the first turn on, so that a rate or an alert is never missing.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

from registry.controller import exported
from registry.domain.card import Metrics
from registry.domain.drift_report import drift_samples
from registry.domain.guarding import mixture_of
from registry.domain.inbox import Told
from registry.domain.judge import NOTHING, Evidence, StartMixture
from registry.domain.plan import Plan
from registry.domain.progress import Phase, Progress
from registry.domain.rollout import evidence_of
from registry.domain.signals import ERRORS, LABELS, SIGNALS
from registry.domain.state import State, VersionState, release
from registry.domain.tally import Tally
from registry.domain.verdict import Outcome
from registry.domain.version import Model

NO_PHASE = "None"
"""The phase of a model of which nothing is in progress."""

NEWEST = 10
"""Versions whose cards are told."""

HARM, ACCEPTABLE, GUARD = "harm", "acceptable", "guard"
TESTS = tuple(
    (name, test)
    for name, signal in SIGNALS.items()
    for test, runs in ((HARM, signal.rolls_back), (ACCEPTABLE, signal.blocks or name == LABELS))
    if runs
)
"""Each signal with the tests that it may be in; the guard is of errors alone."""


class Sample(NamedTuple):
    """One value. name: of a family in `exported.FAMILIES`; labels: their values, in the family's order."""

    name: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True)
class Known:
    """What the controller knows of one model after a turn. told: None before the first turn that decided.

    problem: what keeps it from being acted upon. damaged: that is its journal, which is not the one acted upon.
    counted: when counters of every judged revision were last read.
    """

    told: Told | None = None
    tally: Tally = field(default_factory=Tally)
    problem: str | None = None
    damaged: bool = False
    counted: datetime | None = None


def samples(model: Model, known: Known) -> Iterator[Sample]:
    """All values of one model but those of its versions' cards."""
    told, state = known.told, known.told.state if known.told else State(model)
    for name, value in (
        (exported.LAST_TURN, seconds(told.now if told else None)),
        (exported.PROBLEM, known.problem is not None),
        (exported.ANCHOR, known.damaged),
        (exported.EVIDENCE_TIME, seconds(known.counted)),
    ):
        yield Sample(name, (model,), float(value))
    yield from _progress(model, in_progress(told) if told else None)
    yield from _evidence(model, told)
    for kind, count in known.tally.ends.items():
        yield Sample(exported.ROLLOUTS, (model, kind.value), count)
    yield from starmap(Sample, drift_samples(model, told.drift if told else None))
    yield from _serving(state)
    for found in shown(state):
        for correct, count in (("true", found.right), ("false", found.wrong)):
            yield Sample(exported.LABELLED, (model, found.version, correct), count)


def in_progress(told: Told) -> Progress | None:
    """The request that has the rollout or its window, else the first one that waits for one."""
    requests = told.ledger.requests
    if told.ledger.current is not None:
        return requests[told.ledger.current]
    return next((requests[waiting.id] for waiting in told.state.requests if waiting.starts), None)


def _progress(model: Model, current: Progress | None) -> Iterator[Sample]:
    phase = current.phase.value if current else NO_PHASE
    verdict = current.verdict.outcome if current and current.verdict else None
    for name in (NO_PHASE, *(each.value for each in Phase)):
        yield Sample(exported.PHASE, (model, name), float(name == phase))
    for outcome in Outcome:
        yield Sample(exported.VERDICT, (model, outcome.value), float(outcome.value == verdict))
    yield Sample(exported.STEP, (model,), current.step if current else 0)
    yield Sample(exported.STARTED, (model,), seconds(current.started if current else None))


def _evidence(model: Model, told: Told | None) -> Iterator[Sample]:
    found, mixture = _tests(told)
    for name, test in TESTS:
        evidence = found.get(name, NOTHING)
        value = evidence.harm.log_e if test == HARM else evidence.clearance.log_a
        yield Sample(exported.EVIDENCE, (model, name, test), value + 0.0)  # never -0
    yield Sample(exported.EVIDENCE, (model, ERRORS, GUARD), mixture.log_e + 0.0)
    for test, bound in thresholds(told.state if told else State(model)).items():
        yield Sample(exported.THRESHOLD, (model, test), bound)


def _tests(told: Told | None) -> tuple[Mapping[str, Evidence], StartMixture]:
    """What the tests that run have found; labels are judged in the window too."""
    if told is None:
        return {}, StartMixture()
    if told.state.rollout is not None:
        found = evidence_of(told.state.rollout, told.memory)
        return {name: each for name, each in found.items() if name in told.state.rollout.plan.floors}, StartMixture()
    if told.state.guarding is not None:
        return {LABELS: told.state.guarding.labels}, mixture_of(told.state.guarding, told.memory)
    return {}, StartMixture()


def thresholds(state: State) -> Mapping[str, float]:
    """Logarithm of the bound of each test, NaN while it does not run."""
    found = dict.fromkeys((HARM, ACCEPTABLE, GUARD), math.nan)
    if state.rollout is not None and state.rollout.base is not None:
        plan = state.rollout.plan
        found |= {HARM: math.log(plan.rollback_bound), ACCEPTABLE: _advance(plan)}
    elif state.guarding is not None:
        bound = math.log(state.guarding.plan.rollback_bound)
        found |= {HARM: bound, GUARD: bound}
    return found


def _advance(plan: Plan) -> float:
    return math.log(plan.advance_bound) if plan.judged_steps and not plan.comparison else math.nan


def _serving(state: State) -> Iterator[Sample]:
    canary = state.rollout.version if state.rollout else None
    previous = state.guarding.previous if state.guarding else None
    roles = {"production": state.production, "canary": canary, "previous": previous}
    for role, version in roles.items():
        if version is not None:
            labels = (state.model, version, state.version(version).digest, role)
            yield Sample(exported.RECORDED, labels, 1)
    for version, weight in release(state).weights.items():
        if version in (state.production, canary):
            yield Sample(exported.WEIGHT, (state.model, version), weight)


def shown(state: State) -> tuple[VersionState, ...]:
    """The newest versions that are not deleted, and those that serve, in the journal's order."""
    there = [found for found in state.versions.values() if not found.deleted]
    serving = (state.production, state.rollout.version if state.rollout else None)
    newest = {found.version for found in there[-NEWEST:]} | {version for version in serving if version is not None}
    return tuple(found for found in there if found.version in newest)


def of_card(model: Model, found: VersionState, metrics: Metrics | None) -> Iterator[Sample]:
    """Of one version. metrics: its card's, None where that cannot be read."""
    labels = (model, found.version)
    yield Sample(exported.VERSION, (*labels, found.stage.value), 1)
    yield Sample(exported.PUBLISHED, labels, seconds(found.published))
    if metrics is not None:
        yield Sample(exported.ACCURACY, labels, metrics.accuracy)
        yield Sample(exported.ECE, labels, metrics.ece)


def seconds(time: datetime | None) -> float:
    """Since 1970; 0 for never."""
    return 0.0 if time is None else time.timestamp()
