"""The controller's knowledge as Prometheus metrics, made when they are asked for; turns are not waited for."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from registry.controller import exported
from registry.controller.exported import FAMILIES, Family
from registry.controller.loop import Controller
from registry.controller.samples import Sample, of_card, samples, seconds, shown
from registry.domain.card import Metrics
from registry.domain.state import VersionState
from registry.domain.version import Model
from registry.store.candidate import read_recorded_card
from registry.store.versions import VersionStore


@dataclass
class Cards:
    """Metrics of versions, each read once: what has a digest never changes."""

    store: VersionStore
    _read: dict[str, Metrics] = field(default_factory=dict)

    def metrics(self, model: Model, found: VersionState) -> Metrics | None:
        """None where the version's card is not what was recorded, or cannot be read now."""
        if found.digest not in self._read:
            card = read_recorded_card(self.store, model, found.version, digest=found.digest)
            if card is None:
                return None
            self._read[found.digest] = card.metrics
        return self._read[found.digest]


@dataclass(frozen=True, eq=False)
class Exported(Collector):
    """All of `FAMILIES`, from what the controller's last turns left."""

    controller: Controller
    cards: Cards

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        made: dict[str, GaugeMetricFamily | CounterMetricFamily] = {each.name: _empty(each) for each in FAMILIES}
        for name, labels, value in self._samples():
            made[name].add_metric(labels, value)
        yield from made.values()

    def _samples(self) -> Iterator[Sample]:
        controller = self.controller
        yield Sample(exported.CONFLICTS, (), controller.conflicts + controller.substrate.conflicts)
        kept = controller.backups.kept if controller.backups else None
        yield Sample(exported.BACKUP_TIME, (), seconds(kept.last if kept else None))
        yield Sample(exported.BACKUP_EVERY, (), (kept.every if kept else None) or 0.0)
        yield from volumes({"store": controller.home.store, "journal": controller.home.journal})
        for model, known in controller.known.items():
            yield from samples(model, known)
            for found in shown(known.told.state) if known.told else ():
                yield from of_card(model, found, self.cards.metrics(model, found))
            # The gauges of drift are yielded here, from what the turn left of it in `known`.


def volumes(paths: Mapping[str, Path]) -> Iterable[Sample]:
    """Size and free bytes of the file system of each path, or of where it will be. free: for who is not root."""
    for name, path in paths.items():
        found = os.statvfs(next(place for place in (path, *path.parents) if place.exists()))
        for kind, blocks in (("size", found.f_blocks), ("free", found.f_bavail)):
            yield Sample(exported.VOLUME, (name, kind), float(blocks * found.f_frsize))


def _empty(family: Family) -> GaugeMetricFamily | CounterMetricFamily:
    made = CounterMetricFamily if family.counter else GaugeMetricFamily
    return made(family.name, family.documentation, labels=family.labels)
