"""What was seen of the substrate in one turn: frozen values, so that deciding on them needs no server.

None means "could not be asked" everywhere here; it is never good evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from registry.domain.answers import Answers
from registry.domain.drift_counts import ByProcess
from registry.domain.journal import Anchor
from registry.domain.version import Version


@dataclass(frozen=True)
class ObservedRevision:
    """One revision as the substrate runs it.

    ready: answers readiness for its model. digest: what it says it serves (None: not asked or no answer).
    restarts: how often it was started again since this revision was first started. pods: how many it has ready.
    unready_since: since when it has had no ready endpoint, None while ready. out_of_memory: one of its pods was ended
    for the memory it took, where the substrate tells. problem: what keeps it from being ready, in the substrate's
    words.
    """

    version: Version
    ready: bool
    digest: str | None
    restarts: int
    unready_since: datetime | None = None
    pods: int = 1
    out_of_memory: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """Where one revision answers directly. incarnation: changes when it or Envoy was replaced (counters start anew)."""

    url: str
    grpc: str
    incarnation: str


@dataclass(frozen=True)
class ObservedRoute:
    """The live route as the proxy applied it (not as it was written). weights: percent per version; empty: no route.

    since: when these weights were first seen applied. anchor: the one written with it, None where there is none.
    """

    weights: Mapping[Version, int]
    since: datetime
    anchor: Anchor | None


@dataclass(frozen=True)
class Counters:
    """Cumulative counts of live traffic at one revision, per source.

    good: answers that are neither 4xx nor a server error (one per request, whatever number of images).
    refused: 4xx answers. predictor_errors: server errors the predictor counted (internal, deadline, model_not_ready,
    overloaded). proxy_errors: 5xx, resets and timeouts the proxy saw for this revision; None where no proxy is asked.
    incarnation: changes when a process behind the counters was replaced, so that a counter reset can never look like a
    decrease. within: good answers per edge of LATENCY_EDGES that took no longer. images: classified in good answers;
    low_confidence: those of them below the version's own limit. confidence: sum of their top probabilities, shown to
    people and judged by nobody, None where it is not told. processes: what each process counted of its answers, which
    drift is found from; nothing where that cannot be read.
    """

    good: int
    refused: int
    predictor_errors: int
    proxy_errors: int | None
    incarnation: str
    within: tuple[int, ...]
    images: int
    low_confidence: int
    confidence: float | None = field(default=None, compare=False)
    processes: ByProcess = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Latency:
    """What a staging revision was measured at: p99 in seconds of `requests` answers, one request at a time.

    failed: answers that were no success, or none at all. p99: None where there was no answer.
    """

    requests: int
    failed: int
    p99: float | None


@dataclass(frozen=True)
class Observation:
    """Everything one turn saw of one model. counters: only revisions whose scrape succeeded in this turn.

    latency: of staging revisions that a waiting promotion made somebody ask, as soon as it is known. answers: of live
    revisions to single images.
    """

    revisions: Mapping[Version, ObservedRevision] = field(default_factory=dict)
    route: ObservedRoute | None = None
    counters: Mapping[Version, Counters] = field(default_factory=dict)
    latency: Mapping[Version, Latency] = field(default_factory=dict)
    answers: Mapping[Version, Answers] = field(default_factory=dict)
