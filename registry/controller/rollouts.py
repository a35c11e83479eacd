"""What is in progress of each model as metrics: phase, weights, the last verdict. Read when they are asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from registry.domain.inbox import Told
from registry.domain.progress import Phase
from registry.domain.state import release
from registry.domain.verdict import Outcome
from registry.domain.version import Model

NOTHING = "None"
"""The phase of a model of which nothing is in progress."""


@dataclass(frozen=True)
class Rollouts(Collector):
    """Every phase and every verdict is there from the start, so that a rate of them is never missing."""

    told: Callable[[], Mapping[Model, Told]]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        phases = GaugeMetricFamily("ml_geometry_rollout_phase", "1 for the present one.", labels=("model", "phase"))
        verdicts = GaugeMetricFamily(
            "ml_geometry_rollout_verdict", "1 for the last one of what is in progress.", labels=("model", "verdict")
        )
        weights = GaugeMetricFamily(
            "ml_geometry_rollout_weight",
            "Percent of live requests that a version shall get.",
            labels=("model", "version"),
        )
        for model, told in self.told().items():
            current = told.ledger.requests.get(told.ledger.current or "")
            phase = current.phase.value if current is not None else NOTHING
            verdict = current.verdict.outcome if current is not None and current.verdict is not None else None
            for name in (NOTHING, *(each.value for each in Phase)):
                phases.add_metric((model, name), float(name == phase))
            for outcome in Outcome:
                verdicts.add_metric((model, outcome.value), float(outcome.value == verdict))
            for version, weight in release(told.state).weights.items():
                weights.add_metric((model, version), weight)
        yield from (phases, verdicts, weights)
