"""An invented afternoon of one service, as series: a canary that is promoted, a few errors, and inputs that drift.

Three hours in steps of 30 seconds. Everything is made from a fixed seed; nothing of it was measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Series = NDArray[Any]

STEP = 30.0
HOURS = 3.0
MINUTES = np.arange(0, HOURS * 60, STEP / 60)
BEFORE, CANARY = ("3", "a1" * 32), ("4", "b2" * 32)
CLASSES = ("circle", "square", "triangle", "pentagon", "star")
LATENCY_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONFIDENCE_EDGES = tuple(round(0.05 * place, 2) for place in range(1, 21))
FEATURES = {"brightness": (0.5, 0.12), "contrast": (0.3, 0.08), "edge_density": (0.2, 0.05), "aspect": (1.2, 0.25)}
FEATURES |= {"size_bytes": (24_000.0, 6_000.0)}
SIGNALS = ("classes", "confidence", *FEATURES)
STARTED, STEPS, PROMOTED, GUARDED, DRIFTED = 30.0, ((30, 5), (42, 10), (54, 25), (66, 50)), 78.0, 138.0, 110.0
REASONS = (
    "internal",
    "deadline",
    "model_not_ready",
    "overloaded",
    "bad_request",
    "bad_image",
    "not_found",
    "too_large",
)
PLACE = {"namespace": "ml-geometry-prod"}


@dataclass(frozen=True)
class Line:
    """One series: its labels, and a value for each of MINUTES; NaN: not there."""

    name: str
    labels: dict[str, str]
    values: Series


def afternoon(began: float, seed: int = 7) -> Iterator[Line]:
    """All series, those of one name together. began: Unix time of its first minute."""
    lines = [*_predictors(np.random.default_rng(seed)), *_controller(np.random.default_rng(seed + 1)), *_times(began)]
    yield from sorted(lines, key=lambda line: line.name)


def weight() -> Series:
    """Percent of the canary."""
    weights = np.zeros_like(MINUTES)
    for minute, percent in STEPS:
        weights[minute <= MINUTES] = percent
    weights[PROMOTED <= MINUTES] = 100
    return weights


def drifted() -> Series:
    """How far the inputs have moved, from 0 to 1."""
    return np.clip((MINUTES - DRIFTED) / 20, 0, 1)


def _predictors(random: np.random.Generator) -> Iterator[Line]:
    rate = 40 + 8 * np.sin(MINUTES / 28) + random.normal(0, 1, MINUTES.size)
    share = weight() / 100
    for (version, digest), own in ((BEFORE, 1 - share), (CANARY, share)):
        there = np.ones_like(MINUTES) if version == BEFORE[0] else np.where(MINUTES >= STARTED - 2, 1.0, np.nan)
        for pod in range(2):
            labels = {
                **PLACE,
                "job": "ml-geometry-predictor",
                "service": "shapes",
                "revision": f"v{version}",
                "pod": f"shapes-v{version}-predictor-{pod}",
            }
            yield from _pod(labels, version, digest, rate * own / 2 * STEP, there, random)
    failing = 0.024 * ((MINUTES > 95) & (MINUTES < 103))
    for answered, part in (("2", 0.998 - failing), ("4", 0.002 + 0 * failing), ("5", failing)):
        labels = {**PLACE, "namespace": "envoy-gateway-system", "job": "ml-geometry-gateway", "pod": "envoy-0"}
        labels |= {
            "envoy_cluster_name": "httproute/ml-geometry-prod/shapes/rule/1",
            "envoy_response_code_class": answered,
        }
        yield Line("envoy_cluster_upstream_rq_xx", labels, np.cumsum(random.poisson(rate * STEP * part)))


def _pod(
    place: dict[str, str], version: str, digest: str, requests: Series, there: Series, random: np.random.Generator
) -> Iterator[Line]:
    """requests: how many came in each step."""
    model = {**place, "model": "shapes", "version": version}
    live = {**model, "traffic": "live"}
    came = random.poisson(np.maximum(requests, 0)).astype(float)

    def counted(name: str, labels: dict[str, str], each: Series) -> Line:
        return Line(name, labels, np.cumsum(each) * there)

    mixed = np.array([0.26, 0.24, 0.2, 0.16, 0.14]) + np.outer(drifted(), [0.2, -0.06, -0.06, -0.04, -0.04])
    for place_of, name in enumerate(CLASSES):
        yield counted(
            "ml_geometry_predictions_total", {**live, "class": name}, random.poisson(came * mixed[:, place_of])
        )
    slow = random.lognormal(-3.9, 0.12, MINUTES.size) * np.where((MINUTES > 95) & (MINUTES < 103), 2.6, 1)
    yield from _histogram("ml_geometry_prediction_latency_seconds", live, LATENCY_EDGES, came, slow, 0.45, there)
    sure = 0.93 - 0.1 * drifted() + (0.01 if version == CANARY[0] else 0)
    yield from _confidence(live, came, sure, there)
    yield counted("ml_geometry_low_confidence_total", live, random.poisson(came * (0.045 + 0.1 * drifted())))
    for name, (mean, spread) in FEATURES.items():
        moved = mean * (1 - 0.35 * drifted()) if name == "brightness" else np.full_like(MINUTES, mean)
        edges = tuple(np.round(np.linspace(mean - 3 * spread, mean + 3 * spread, 11), 3).tolist())
        yield from _normal("ml_geometry_input_feature", {**live, "feature": name}, edges, came, moved, spread, there)
    bad = {"internal": 0.0008 * ((MINUTES > 95) & (MINUTES < 103)) * 30, "bad_image": 0.002 + 0 * MINUTES}
    for reason in REASONS:
        each = random.poisson(came * bad.get(reason, 0 * MINUTES)).astype(float)
        yield counted("ml_geometry_errors_total", {**live, "reason": reason}, each)
    yield counted("ml_geometry_shed_total", live, 0 * MINUTES)
    yield Line("ml_geometry_inflight_requests", model, np.round(came / STEP * slow * 6) * there)
    yield Line("ml_geometry_queue_requests", model, random.poisson(0.2 + (slow > 0.04)) * there)
    yield Line("ml_geometry_processes", model, 2 * there)
    yield counted("ml_geometry_process_restarts_total", model, 0 * MINUTES)
    yield Line("ml_geometry_model_info", {**model, "digest": digest}, there)
    yield Line("process_resident_memory_bytes", place, (225e6 + 1e6 * random.normal(0, 1, MINUTES.size)) * there)
    yield Line("process_open_fds", place, (40 + random.poisson(4, MINUTES.size)) * there)
    yield Line("up", place, there)


def _histogram(
    name: str,
    labels: dict[str, str],
    edges: tuple[float, ...],
    came: Series,
    median: Series,
    spread: float,
    there: Series,
) -> Iterator[Line]:
    """Log-normal observations in cumulative buckets."""
    shares = [_below(np.log(edge / median) / spread) for edge in edges]
    yield from _buckets(name, labels, edges, came, shares, median * np.exp(spread**2 / 2), there)


def _normal(
    name: str,
    labels: dict[str, str],
    edges: tuple[float, ...],
    came: Series,
    mean: Series,
    spread: float,
    there: Series,
) -> Iterator[Line]:
    shares = [_below((edge - mean) / spread) for edge in edges]
    yield from _buckets(name, labels, edges, came, shares, mean, there)


def _confidence(labels: dict[str, str], came: Series, mean: Series, there: Series) -> Iterator[Line]:
    """Mostly near 1: a power law with that mean."""
    power = mean / (1 - mean)
    shares = [np.power(edge, power) for edge in CONFIDENCE_EDGES]
    yield from _buckets("ml_geometry_prediction_confidence", labels, CONFIDENCE_EDGES, came, shares, mean, there)


def _buckets(
    name: str,
    labels: dict[str, str],
    edges: tuple[float, ...],
    came: Series,
    shares: list[Series],
    mean: Series,
    there: Series,
) -> Iterator[Line]:
    for edge, share in zip((*edges, np.inf), (*shares, np.ones_like(came)), strict=True):
        told = "+Inf" if np.isinf(edge) else str(float(edge))
        yield Line(f"{name}_bucket", {**labels, "le": told}, np.round(np.cumsum(came * share)) * there)
    yield Line(f"{name}_count", labels, np.cumsum(came) * there)
    yield Line(f"{name}_sum", labels, np.cumsum(came * mean) * there)


def _below(z: Series) -> Series:
    """The normal distribution, by a logistic curve: pictures need no more."""
    return 1 / (1 + np.exp(-1.702 * z))


def _controller(random: np.random.Generator) -> Iterator[Line]:
    place = {**PLACE, "job": "ml-geometry-controller", "pod": "geometry-controller-0"}
    model = {**place, "model": "shapes"}
    now = MINUTES * 60
    yield Line("up", place, np.ones_like(MINUTES))
    yield Line("ml_geometry_controller_acting", place, np.ones_like(MINUTES))
    for result, each in (("ok", STEP / 5), ("failed", 0.0)):
        labels = {**place, "result": result}
        yield Line("ml_geometry_controller_turns_total", labels, np.cumsum(np.full_like(MINUTES, each)))
    yield Line("ml_geometry_controller_conflicts_total", place, 0 * MINUTES)
    turns = np.full_like(MINUTES, STEP / 5)
    spent = np.full_like(MINUTES, 4.9)
    yield from _histogram(
        "ml_geometry_controller_turn_seconds", place, (0.1, 0.5, 1, 2, 5, 10, 30, 60), turns, spent, 0.1, spent / spent
    )
    for name in ("ml_geometry_controller_problem", "ml_geometry_anchor_mismatch"):
        yield Line(name, model, 0 * MINUTES)
    yield from _rollout(model, random)
    yield from _drift(model, random)
    yield from _kept(place, model, now)


def _rollout(model: dict[str, str], random: np.random.Generator) -> Iterator[Line]:
    under_way = (MINUTES >= STARTED) & (MINUTES < GUARDED)
    stepping, guarding = (MINUTES >= STARTED) & (MINUTES < PROMOTED), (MINUTES >= PROMOTED) & (MINUTES < GUARDED)
    for phase in ("None", "Pending", "Staging", "Progressing", "Paused", "Guarding", "Succeeded", "RolledBack"):
        on = {"Progressing": stepping, "Guarding": guarding, "None": ~under_way}.get(phase, 0 * MINUTES)
        yield Line("ml_geometry_rollout_phase", {**model, "phase": phase}, 1.0 * on)
    ends = [minute - 0.5 for minute, _ in STEPS[1:]] + [PROMOTED - 0.5]
    promote = np.any([np.abs(MINUTES - minute) <= 0.5 for minute in ends], axis=0)
    for verdict in ("promote", "hold", "rollback", "error"):
        on = {"promote": promote, "hold": under_way & ~promote}.get(verdict, 0 * MINUTES)
        yield Line("ml_geometry_rollout_verdict", {**model, "verdict": verdict}, 1.0 * on)
    steps = np.searchsorted([minute for minute, _ in STEPS], MINUTES, side="right") * stepping
    yield Line("ml_geometry_rollout_step", model, 1.0 * steps)
    for version, share in ((BEFORE[0], 100 - weight()), (CANARY[0], weight())):
        yield Line("ml_geometry_rollout_weight", {**model, "version": version}, share)
    for result in ("promoted", "rolled_back", "aborted", "expired"):
        ended = 4.0 + (MINUTES >= PROMOTED) if result == "promoted" else np.ones_like(MINUTES)
        yield Line("ml_geometry_rollouts_total", {**model, "result": result}, ended)
    since = np.array([max([minute for minute, _ in STEPS if minute <= now], default=0) for now in MINUTES])
    for signal, slope in (("errors", 1.0), ("latency", 0.994), ("refused", 1.02), ("low_confidence", 0.99)):
        gained = (MINUTES - since) * 0.376 * slope * stepping
        yield Line("ml_geometry_rollout_evidence", {**model, "signal": signal, "test": "acceptable"}, gained)
        if signal in ("errors", "latency"):
            harm = np.minimum(0.4, random.normal(-0.9, 0.25, MINUTES.size)) * under_way
            yield Line("ml_geometry_rollout_evidence", {**model, "signal": signal, "test": "harm"}, harm)
    guard = np.where(guarding, -np.log1p(np.maximum(0, MINUTES - PROMOTED) / 8), 0)
    yield Line("ml_geometry_rollout_evidence", {**model, "signal": "errors", "test": "guard"}, guard)
    for test, bound, on in (("harm", 4.38, under_way), ("acceptable", 4.38, stepping), ("guard", 4.38, guarding)):
        yield Line("ml_geometry_rollout_evidence_threshold", {**model, "test": test}, np.where(on, bound, np.nan))


def _drift(model: dict[str, str], random: np.random.Generator) -> Iterator[Line]:
    bound = 11.8
    for signal in SIGNALS:
        moves = {"brightness": 0.9, "classes": 0.42, "confidence": 0.5}.get(signal, 0.0)
        gained = np.cumsum(drifted() * moves * STEP / 60)
        evidence = np.maximum(0, random.normal(0.5, 0.35, MINUTES.size)) + gained
        labels = {**model, "version": CANARY[0], "signal": signal}
        on = np.where(MINUTES >= PROMOTED, 1.0, np.nan)
        yield Line("ml_geometry_prediction_drift", labels, evidence * on)
        yield Line("ml_geometry_prediction_drift_alarm", labels, 1.0 * (evidence > bound) * on)
        effect = 0.008 + 0.004 * random.random(MINUTES.size) + 0.6 * moves * drifted() ** 2
        yield Line("ml_geometry_prediction_drift_effect_psi", labels, effect * on)
        size = 41_200.0 if signal == "classes" else 4_000.0
        yield Line("ml_geometry_prediction_drift_reference_size", labels, size * on)
    yield Line("ml_geometry_prediction_drift_threshold", model, np.full_like(MINUTES, bound))


def _kept(place: dict[str, str], model: dict[str, str], now: Series) -> Iterator[Line]:
    on = np.ones_like(MINUTES)
    cards = {"1": (0.952, 0.031), "2": (0.968, 0.024), "3": (0.981, 0.017), "4": (0.989, 0.012)}
    for version, (accuracy, ece) in cards.items():
        at = 1.0 if version != CANARY[0] else np.where(MINUTES > 10, 1.0, np.nan)
        after = MINUTES >= PROMOTED
        stages = {"1": ("archived", on), "2": ("archived", on)}
        for stage, when in (
            (stages[version],)
            if version in stages
            else (("production", after == (version == CANARY[0])), ("staging", after != (version == CANARY[0])))
        ):
            labels = {**model, "version": version, "stage": stage}
            yield Line("ml_geometry_version_info", labels, np.where(when, 1.0, np.nan) * at)
        labels = {**model, "version": version}
        yield Line("ml_geometry_version_accuracy", labels, accuracy * on * at)
        yield Line("ml_geometry_version_ece", labels, ece * on * at)
    for version, digest in (BEFORE, CANARY):
        role = np.where((MINUTES >= PROMOTED) == (version == CANARY[0]), 1.0, np.nan)
        labels = {**model, "version": version, "digest": digest, "role": "production"}
        yield Line("ml_geometry_recorded_info", labels, role)
    for correct, each in (("true", 0.97), ("false", 0.03)):
        labels = {**model, "version": BEFORE[0], "correct": correct}
        yield Line("ml_geometry_labelled_total", labels, np.round(on * 1200 * each + now / 90 * each))
    for volume, size, used in (("store", 20 * 2**30, 6.1), ("journal", 2 * 2**30, 0.2)):
        yield Line("ml_geometry_volume_bytes", {**place, "volume": volume, "kind": "size"}, size * on)
        free = size - used * 2**30 - now * (9e3 if volume == "store" else 300)
        yield Line("ml_geometry_volume_bytes", {**place, "volume": volume, "kind": "free"}, free)
    yield Line("ml_geometry_backup_interval_seconds", place, 86_400 * on)


def _times(began: float) -> Iterator[Line]:
    """What is told as Unix times."""
    place = {**PLACE, "job": "ml-geometry-controller", "pod": "geometry-controller-0"}
    model = {**place, "model": "shapes"}
    now = began + MINUTES * 60
    under_way = (MINUTES >= STARTED) & (MINUTES < GUARDED)
    turn = now - np.mod(now, 5)
    yield Line("ml_geometry_controller_last_turn_timestamp_seconds", model, turn)
    yield Line("ml_geometry_evidence_timestamp_seconds", model, turn)
    yield Line("ml_geometry_rollout_started_timestamp_seconds", model, np.where(under_way, began + STARTED * 60, 0))
    yield Line("ml_geometry_prediction_drift_last_evaluation_timestamp_seconds", model, now - np.mod(now, 60))
    backup = np.where(MINUTES < 100, began - 80_000, began + 6_000)
    yield Line("ml_geometry_backup_last_success_timestamp_seconds", place, backup)
    for days, version in ((41, "1"), (26, "2"), (9, "3"), (0, CANARY[0])):
        labels = {**model, "version": version}
        when = np.where((MINUTES > 10) | (days > 0), began - days * 86_400 + 600, np.nan)
        yield Line("ml_geometry_version_published_timestamp_seconds", labels, when)
