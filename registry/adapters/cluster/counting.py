"""Counters of a revision as the sum over its pods, and the gateway's over its own: the judge's evidence in a cluster.

One pod or gateway that does not answer leaves its revision out: what is missing is never good evidence. A pod that
comes or goes changes the incarnation, so that sums before and after are never compared.
"""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx

from registry.adapters.monitoring import Target, fetch, parse_envoy, parse_predictor
from registry.adapters.plain import plain_client
from registry.domain.drift_counts import ByProcess
from registry.domain.errors import RegistryError, Unreachable
from registry.domain.observation import Counters
from registry.domain.version import Model, Version

STATS_PORT = 19001
"""Where Envoy Gateway's proxies answer `/stats/prometheus`; their administration is closed."""

T = TypeVar("T")


@dataclass(frozen=True)
class Answering:
    """Who is asked about one revision: `host:port` by pod, and the gateway's clusters that send to it now."""

    pods: Mapping[str, str]
    clusters: frozenset[str]


@dataclass
class PodScrape:
    """Reads counters of revisions; `find` says who answers for one. gateways: the headless Service of the gateway's
    pods, None where the policy names none."""

    find: Callable[[Model, Version], Answering]
    gateways: Callable[[], str | None]
    stats_port: int = STATS_PORT
    _errors: dict[str, tuple[int, Mapping[str, int]]] = field(default_factory=dict)

    def __call__(
        self,
        targets: Sequence[Target],
        envoy_url: str | None,  # noqa: ARG002 - a cluster has several proxies, which `gateways` names
        *,
        timeout: float,
    ) -> tuple[Mapping[Version, Counters], Mapping[Version, str]]:
        """Ask everybody at once. Every target is in exactly one of both answers, within `timeout` seconds."""
        deadline, named = time.monotonic() + timeout, self.gateways()
        found = {target: self.find(target.model, target.version) for target in targets}
        client = plain_client(timeout=timeout, headers={"accept": "text/plain", "accept-encoding": "identity"})
        pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="scrape")
        try:
            resolving = pool.submit(_addresses, named) if named else None
            pods = {
                (target, pod): pool.submit(_predictor, client, target, address, deadline)
                for target, answering in found.items()
                for pod, address in answering.pods.items()
            }
            proxies = {
                address: pool.submit(_proxy, client, f"{address}:{self.stats_port}", deadline)
                for address in _in_time(resolving, timeout / 2)
            }
            asked: list[Future[Any]] = [*pods.values(), *proxies.values()]
            wait(asked, timeout=max(0.0, deadline - time.monotonic()))
            return self._sort(found, pods, proxies if named else None)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            client.close()

    def _sort(
        self,
        found: Mapping[Target, Answering],
        pods: Mapping[tuple[Target, str], Future[Counters]],
        proxies: Mapping[str, Future[Mapping[str, int]]] | None,
    ) -> tuple[Mapping[Version, Counters], Mapping[Version, str]]:
        counters: dict[Version, Counters] = {}
        reasons: dict[Version, str] = {}
        for target, answering in found.items():
            try:
                answers = {pod: _result(pods[target, pod], pod) for pod in answering.pods}
                seen = total(answers)
                counters[target.version] = seen if proxies is None else self._with_proxies(seen, answering, proxies)
            except RegistryError as error:
                reasons[target.version] = str(error)
        return counters, reasons

    def _with_proxies(
        self, seen: Counters, answering: Answering, proxies: Mapping[str, Future[Mapping[str, int]]]
    ) -> Counters:
        if not proxies:
            raise Unreachable("the gateway's Service of the policy (evidence.envoy) names no pod")
        errors, starts = 0, []
        for address, asked in sorted(proxies.items()):
            answer = _result(asked, address)
            if missing := answering.clusters - answer.keys():
                raise Unreachable(f"{address}: counts nothing of {', '.join(sorted(missing))} yet")
            errors += sum(answer[cluster] for cluster in answering.clusters)
            starts.append(f"{address}.{self._starts(address, answer)}")
        clusters = " ".join(sorted(answering.clusters))
        return replace(seen, proxy_errors=errors, incarnation=f"{seen.incarnation} {' '.join(starts)} {clusters}")

    def _starts(self, address: str, errors: Mapping[str, int]) -> int:
        """How often this proxy was started anew: it tells no start, but its counters went down."""
        count, before = self._errors.get(address, (0, errors))
        if any(errors.get(cluster, 0) < number for cluster, number in before.items()):
            count += 1
        self._errors[address] = (count, errors)
        return count


def total(answers: Mapping[str, Counters]) -> Counters:
    """The sum over the pods of a revision; raises Unreachable when there is none."""
    if not answers:
        raise Unreachable("no pod is ready")
    every = [answers[pod] for pod in sorted(answers)]
    told = [found.confidence for found in every if found.confidence is not None]
    return Counters(
        good=sum(found.good for found in every),
        refused=sum(found.refused for found in every),
        predictor_errors=sum(found.predictor_errors for found in every),
        proxy_errors=None,
        incarnation=" ".join(f"{pod}:{answers[pod].incarnation}" for pod in sorted(answers)),
        within=tuple(map(sum, zip(*(found.within for found in every), strict=True))),
        images=sum(found.images for found in every),
        low_confidence=sum(found.low_confidence for found in every),
        confidence=sum(told) if len(told) == len(every) else None,
        processes=_processes(answers),
    )


def _processes(answers: Mapping[str, Counters]) -> ByProcess:
    """Of all pods, or nothing where one does not tell."""
    if not all(found.processes for found in answers.values()):
        return {}
    return {f"{pod}:{name}": live for pod, found in answers.items() for name, live in found.processes.items()}


def _result(future: Future[T], who: str) -> T:
    if not future.done():
        raise Unreachable(f"{who}: no answer in time")
    return future.result()


def _predictor(client: httpx.Client, target: Target, address: str, deadline: float) -> Counters:
    return parse_predictor(fetch(client, f"http://{address}/metrics", deadline), target.model, target.version)


def _proxy(client: httpx.Client, address: str, deadline: float) -> Mapping[str, int]:
    # Its members tell that a cluster is there: Envoy Gateway's proxies make the other counters at the first request.
    query = {"filter": r"^cluster\.httproute/.*\.(membership_total|upstream_rq_(timeout|5xx|501|504))$"}
    return parse_envoy(fetch(client, str(httpx.URL(f"http://{address}/stats/prometheus", params=query)), deadline))


def _in_time(resolving: Future[list[str]] | None, seconds: float) -> list[str]:
    """Addresses, none where a resolver does not answer: that may take it longer than a turn."""
    if resolving is None:
        return []
    wait([resolving], timeout=seconds)
    return resolving.result() if resolving.done() else []


def _addresses(host: str) -> list[str]:
    """Every pod behind a headless Service; none when its name does not resolve."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({f"[{address[4][0]}]" if ":" in str(address[4][0]) else str(address[4][0]) for address in found})
