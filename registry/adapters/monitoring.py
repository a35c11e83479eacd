"""Raw counters, scraped from the revisions and from Envoy directly: the judge's evidence of one turn.

Counters only: what they mean is decided in the domain. Whatever is missing, malformed or contradictory leaves its
revision out, with the reason beside it, because missing evidence holds a canary and wrong evidence might promote it.
"""

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx

from registry.adapters.exposition import count_of, counts_by, edge_of, samples_of
from registry.adapters.live_counts import parse_live
from registry.adapters.plain import plain_client
from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument, RegistryError, Unreachable
from registry.domain.observation import Counters
from registry.domain.signals import LATENCY_EDGES
from registry.domain.version import Model, Version, revision_name

SERVER_REASONS = frozenset({"internal", "deadline", "model_not_ready", "overloaded"})
BODY_LIMIT = 4 * 2**20

_GOOD = "ml_geometry_prediction_latency_seconds_count"
_WITHIN = "ml_geometry_prediction_latency_seconds_bucket"
_IMAGES = "ml_geometry_prediction_confidence_count"
_CONFIDENCE = "ml_geometry_prediction_confidence_sum"
_LOW = "ml_geometry_low_confidence_total"
_ERRORS = "ml_geometry_errors_total"
_START = "process_start_time_seconds"
_ENVOY_CLASS = "envoy_cluster_upstream_rq_xx"
_ENVOY_CODE = "envoy_cluster_upstream_rq"
_ENVOY_TIMEOUT = "envoy_cluster_upstream_rq_timeout"
_ENVOY_MEMBERS = "envoy_cluster_membership_total"
# Envoy filters by its own dotted names, before it turns them into labels.
_ENVOY_FILTER = r"^cluster\.live-[^.]*\.upstream_rq_(timeout|5xx|501|504)$"

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """A revision to ask: its `/metrics` as URL. Envoy's clusters for it are named after model and version."""

    model: Model
    version: Version
    metrics_url: str

    @property
    def clusters(self) -> tuple[str, str]:
        """HTTP and gRPC share the revision, so their errors are added."""
        cluster = f"live-{self.model}-{revision_name(self.version)}"
        return cluster, f"{cluster}-grpc"


@dataclass(frozen=True)
class EnvoyCounters:
    """What Envoy counted: errors per cluster since `started`, the moment its process began."""

    errors: Mapping[str, int]
    started: str


def parse_predictor(text: str, model: Model, version: Version) -> Counters:
    """Counters of live traffic from a predictor's `/metrics`, without the proxy's.

    good: one latency observation is one good answer. All series must be there, as they are from the start on: what is
    missing is missing evidence. Raises InvalidDocument.
    """
    samples = samples_of(text, frozenset({_GOOD, _WITHIN, _IMAGES, _CONFIDENCE, _LOW, _ERRORS, _START}))
    own = frozenset({("model", str(model)), ("version", str(version)), ("traffic", "live")})
    starts = sorted(value for (name, _), value in samples.items() if name == _START)
    errors = counts_by(samples, _ERRORS, own, "reason")
    buckets = {edge_of(edge): count for edge, count in counts_by(samples, _WITHIN, own, "le").items()}
    missing = {(name, own) for name in (_GOOD, _IMAGES, _LOW)} - samples.keys()
    if missing or not errors.keys() >= SERVER_REASONS or not buckets.keys() >= set(LATENCY_EDGES) or not starts:
        raise InvalidDocument(f"metrics lack live counters of {model} version {version}")
    failed = sum(number for reason, number in errors.items() if reason in SERVER_REASONS)
    return Counters(
        good=count_of(samples, (_GOOD, own)),
        refused=sum(errors.values()) - failed,
        predictor_errors=failed,
        proxy_errors=None,
        incarnation=" ".join(starts),
        within=tuple(buckets[edge] for edge in LATENCY_EDGES),
        images=count_of(samples, (_IMAGES, own)),
        low_confidence=count_of(samples, (_LOW, own)),
        confidence=_sum(samples.get((_CONFIDENCE, own), "")),
        processes=parse_live(text, own, " ".join(starts)),
    )


def _sum(text: str) -> float | None:
    """A finite number, or None: no evidence depends on it."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_envoy(text: str) -> Mapping[str, int]:
    """Errors per cluster from Envoy's `/stats/prometheus`: 5xx, resets and timeouts, each failed request once.

    A reset, a refused connection and a timeout before the answer's head are answered by Envoy itself with 503 or 504
    and counted as 5xx, so their own counters are not added. A timeout after the head has only `rq_timeout`; as that
    counts the 504s too, the larger of both stands for both, which never decreases. 501 is deliberate: the client asked
    for what does not exist. Retried attempts are counted once, by their end. Raises InvalidDocument.
    """
    samples = samples_of(text, frozenset({_ENVOY_CLASS, _ENVOY_CODE, _ENVOY_TIMEOUT, _ENVOY_MEMBERS}))

    def count(name: str, cluster: str, **labels: str) -> int:
        key = (name, frozenset({("envoy_cluster_name", cluster), *labels.items()}))
        return count_of(samples, key) if key in samples else 0

    errors: dict[str, int] = {}
    # The members exist from the cluster's first moment on, the timeouts too unless Envoy defers the counters of traffic
    # to the first request, the others from their first event on.
    there = [labels for name, labels in samples if name in (_ENVOY_TIMEOUT, _ENVOY_MEMBERS)]
    for cluster in (dict(labels).get("envoy_cluster_name", "") for labels in there):
        every = count(_ENVOY_CLASS, cluster, envoy_response_code_class="5")
        deliberate = count(_ENVOY_CODE, cluster, envoy_response_code="501")
        answered = count(_ENVOY_CODE, cluster, envoy_response_code="504")
        errors[cluster] = every - deliberate - answered + max(answered, count(_ENVOY_TIMEOUT, cluster))
        if every < deliberate + answered:
            raise InvalidDocument(f"Envoy counts {every} 5xx of {cluster}, and {deliberate} + {answered} 501 and 504")
    return errors


def scrape(
    targets: Sequence[Target], envoy_url: str | None, *, timeout: float
) -> tuple[Mapping[Version, Counters], Mapping[Version, str]]:
    """Ask all targets and Envoy's administration address at once; return counters, and reasons for those left out.

    Every target is in exactly one of both. Returns within `timeout` seconds whatever the others do. An Envoy that was
    to be asked and gave no evidence leaves every revision out.
    """
    deadline = time.monotonic() + timeout
    client = plain_client(timeout=timeout, headers={"accept": "text/plain", "accept-encoding": "identity"})
    pool = ThreadPoolExecutor(max_workers=len(targets) + 1, thread_name_prefix="scrape")
    try:
        revisions = {target: pool.submit(_ask_predictor, client, target, deadline) for target in targets}
        envoy = pool.submit(_ask_envoy, client, envoy_url, deadline) if envoy_url else None
        asked: list[Future[Any]] = [*revisions.values()] + ([envoy] if envoy else [])
        wait(asked, timeout=timeout)
        return _sort(revisions, envoy)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        client.close()


def _sort(
    revisions: Mapping[Target, Future[Counters]], envoy: Future[EnvoyCounters] | None
) -> tuple[Mapping[Version, Counters], Mapping[Version, str]]:
    counters: dict[Version, Counters] = {}
    reasons: dict[Version, str] = {}
    for target, revision in revisions.items():
        try:
            seen = _result(revision)
            counters[target.version] = _with_proxy(target, seen, _result(envoy)) if envoy else seen
        except RegistryError as error:
            reasons[target.version] = str(error)
    return counters, reasons


def _result(future: Future[T]) -> T:
    if not future.done():
        raise Unreachable("no answer in time")
    return future.result()


def _with_proxy(target: Target, counters: Counters, envoy: EnvoyCounters) -> Counters:
    http, grpc = target.clusters
    if http not in envoy.errors:
        raise InvalidDocument(f"Envoy has no cluster {http}")
    errors = envoy.errors[http] + envoy.errors.get(grpc, 0)
    return replace(counters, proxy_errors=errors, incarnation=f"{counters.incarnation} {envoy.started}")


def _ask_predictor(client: httpx.Client, target: Target, deadline: float) -> Counters:
    return parse_predictor(fetch(client, target.metrics_url, deadline), target.model, target.version)


def _ask_envoy(client: httpx.Client, url: str, deadline: float) -> EnvoyCounters:
    """Its counters between two looks at its start: a restart in between would pair old identity with new zeros."""
    started = _started(client, url, deadline)
    stats = str(httpx.URL(f"{url}/stats/prometheus", params={"filter": _ENVOY_FILTER}))
    errors = parse_envoy(fetch(client, stats, deadline))
    if _started(client, url, deadline) != started:
        raise Unreachable("Envoy was started again while it was asked")
    return EnvoyCounters(errors, started)


def _started(client: httpx.Client, url: str, deadline: float) -> str:
    """When Envoy took its first configuration, to the millisecond; its statistics name no such moment."""
    dump = Fields.parse(fetch(client, f"{url}/config_dump?mask=last_updated", deadline).encode(), "Envoy's config_dump")
    for config in dump.objects("configs"):
        if config.text("@type").endswith(".BootstrapConfigDump"):
            return config.text("last_updated")
    raise InvalidDocument("Envoy's config_dump: bootstrap is missing")


def fetch(client: httpx.Client, url: str, deadline: float) -> str:
    """The text at an address; raises Unreachable, also for an answer that is too long or comes too late."""
    try:
        with client.stream("GET", url) as response:
            response.raise_for_status()
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > BODY_LIMIT or time.monotonic() > deadline:
                    raise Unreachable(f"{url}: answer too long or too slow")
            return body.decode(errors="replace")
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise Unreachable(f"{url}: {type(error).__name__}") from error
