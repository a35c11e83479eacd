"""Runs in a pod of the namespace: takes the substrate through a rollout as a controller does, without its decisions.

    python - DIGEST_OF_1 DIGEST_OF_2 SECONDS_PER_STEP HOST IMAGE < drive.py

A line of JSON for each step on stdout: what was seen when it was reached, and the counters at its end. Exit code 1 when
a step is not reached.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from registry.adapters.cluster.api import PODS, connect
from registry.adapters.cluster.substrate import ClusterSubstrate
from registry.adapters.monitoring import Target
from registry.domain.journal import Anchor
from registry.domain.policy import Policy, Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import DEFAULT_MODEL, Version
from registry.manifests import read_templates

_log = logging.getLogger("drive")

LONGEST = 180.0
"""Seconds a step may take: pods start, the gateway takes weights, old pods leave."""

SCRIPT: tuple[tuple[str, dict[str, int]], ...] = (
    ("first version starts", {"1": 0}),
    ("first version serves", {"1": 100}),
    ("canary starts", {"1": 100, "2": 0}),
    ("10 percent", {"1": 90, "2": 10}),
    ("50 percent", {"1": 50, "2": 50}),
    ("promoted", {"2": 100, "1": 0}),
    ("rolled back", {"1": 100}),
    ("canary again", {"1": 100, "2": 0}),
    ("half again", {"1": 50, "2": 50}),
    ("promoted again", {"2": 100, "1": 0}),
    ("window closed", {"2": 100}),
)


def main(arguments: list[str]) -> int:
    one, two, seconds, host, image = arguments
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    resources = {"requests": {"cpu": "50m", "memory": "160Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
    serving = Serving(image=image, min_replicas=1, max_replicas=2, hosts=(host,), resources=resources)
    policy = Policy(serving=serving, envoy="envoy-metrics.envoy-gateway-system")
    substrate = ClusterSubstrate(connect(), templates=read_templates(), policy=lambda: policy)
    substrate.start(now())
    digests = {"1": one, "2": two}
    for sequence, (name, weights) in enumerate(SCRIPT, start=1):
        release = released(digests, weights, sequence)
        took = turns(substrate, release, lambda release=release: reached(substrate, release), LONGEST)
        if took is None:
            print(json.dumps({"step": name, "reached": False}), flush=True)
            return 1
        turns(substrate, release, lambda: False, float(seconds))
        print(
            json.dumps({"step": name, "reached": True, "took": round(took, 1), **seen(substrate, release)}), flush=True
        )
    return 0


def now() -> datetime:
    return datetime.now(UTC)


def released(digests: dict[str, str], weights: dict[str, int], sequence: int) -> Release:
    made = [RevisionRelease(Version(name), digests[name], weight, 1) for name, weight in weights.items()]
    return Release(DEFAULT_MODEL, made[0], tuple(made[1:]), None, Anchor(sequence, f"{sequence:064x}"))


def turns(substrate: ClusterSubstrate, release: Release, done: Callable[[], bool], seconds: float) -> float | None:
    """Turn until it is so; seconds that took, None when it did not come to be."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        try:
            substrate.anchor(DEFAULT_MODEL)
            if done():
                return time.monotonic() - begun
            substrate.apply([release], now())
        except Exception:
            _log.exception("turn failed")
        time.sleep(1)
    return None


def reached(substrate: ClusterSubstrate, release: Release) -> bool:
    """Whether weights are applied, and exactly the release's revisions run and are ready, the stable one first."""
    revisions, route = substrate.observe(DEFAULT_MODEL, now())
    weights = {version: weight for version, weight in release.weights.items() if weight}
    digests = {one.version: one.digest for one in release.live}
    return (
        route is not None
        and dict(route.weights) == weights
        and {version: found.digest for version, found in revisions.items() if found.ready} == digests
        and next(iter(revisions)) == release.live[0].version
    )


def seen(substrate: ClusterSubstrate, release: Release) -> dict[str, object]:
    """Pods as uid.restarts by revision, and counters of the revisions with weight."""
    substrate.anchor(DEFAULT_MODEL)
    targets = [Target(DEFAULT_MODEL, one.version, "") for one in release.live if one.weight]
    counters, reasons = substrate.scrape(targets, None, timeout=2.0) if targets else ({}, {})
    pods: dict[str, list[str]] = {}
    for pod in connect().list(PODS, selector="serving.kserve.io/inferenceservice=shapes"):
        if not pod["metadata"].get("deletionTimestamp"):
            restarts = sum(one["restartCount"] for one in pod["status"].get("containerStatuses") or ())
            pods.setdefault(pod["metadata"]["labels"]["app"], []).append(f"{pod['metadata']['uid']}.{restarts}")
    return {
        "pods": {app: sorted(found) for app, found in pods.items()},
        "counters": {
            version: {"good": found.good, "refused": found.refused, "errors": found.predictor_errors,
                      "proxy_errors": found.proxy_errors}
            for version, found in counters.items()
        },
        "missing": dict(reasons),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
