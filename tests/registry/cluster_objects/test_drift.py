"""Drift in the controller's turns, from counters to the journal, an event, the Model object, the view and metrics."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.controller.samples import samples
from registry.domain.drift_counts import CONFIDENCE, Bins, LiveCounts
from registry.store.drift import NAME
from tests.fixtures.versions import CLASSES
from tests.registry.cluster_objects.conftest import POLICY, SHAPES, Namespace

EVEN = (0.125,) * 8
UNEVEN = (0.3, 0.05, 0.05, 0.1, 0.125, 0.125, 0.125, 0.125)
EDGES = tuple(round(0.05 * step, 2) for step in range(1, 21))


class Asked:
    """A namespace whose version 1 has so many answers by class; all are sure."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace, self.dice = namespace, np.random.default_rng(3)
        self.counted = dict.fromkeys(CLASSES, 0)
        self.scrape = namespace.controller.scrape
        self.attach()

    def attach(self) -> None:
        self.namespace.controller.scrape = self._scrape

    def _scrape(self, targets: Any, envoy: str | None, *, timeout: float) -> Any:
        counters, reasons = self.scrape(targets, envoy, timeout=timeout)
        live = LiveCounts(dict(self.counted), {CONFIDENCE: Bins(EDGES, (*[0] * 19, sum(self.counted.values()), 0))})
        return {version: replace(each, processes={"a": live}) for version, each in counters.items()}, reasons

    def ticks(self, count: int, shares: tuple[float, ...] = EVEN) -> None:
        """So many readings, a minute apart, of 200 answers each."""
        for _ in range(count):
            for name, number in zip(CLASSES, self.dice.multinomial(200, shares), strict=True):
                self.counted[name] += int(number)
            self.namespace.turn(seconds=60)

    def alarms(self) -> list[Mapping[str, Any]]:
        found = [entry.data for entry in self.namespace.entries() if entry.kind == "drift"]
        return [data for data in found if data["what"] == "alarm"]

    def view(self) -> dict[str, Any]:
        return json.loads((self.namespace.home.run / "views" / "shapes.json").read_bytes())["drift"]


@pytest.fixture
def asked(served: Namespace, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The class mix of production is known, and counters are read in every turn."""
    monkeypatch.setattr("registry.controller.loop.LOOK", 1)
    served.home.policy.write_text(f"{POLICY}drift: {{minimum: 3000, days: 0.01}}\n")
    asked = Asked(served)
    asked.ticks(32)
    assert served.state().drift.reference is not None
    return asked


def test_a_class_mix_that_moves_is_told_everywhere_once(asked: Asked) -> None:
    asked.ticks(12, UNEVEN)
    assert [alarm["signal"] for alarm in asked.alarms()] == ["classes"]
    assert asked.namespace.notes().count(("Drift", "Warning")) == 1
    assert asked.namespace.status("shapes", "models")["drift"]["highest"] == 1
    signal = asked.view()["signals"][0]
    assert (signal["signal"], signal["status"]) == ("classes", "alarm")
    told = asked.namespace.controller.known[SHAPES]
    values = {(name, *labels): value for name, labels, value in samples(SHAPES, told)}
    assert values["ml_geometry_prediction_drift_alarm", "shapes", "1", "classes"] == 1
    assert values["ml_geometry_prediction_drift_alarm", "shapes", "1", "confidence"] == 0
    assert values["ml_geometry_prediction_drift_reference_size", "shapes", "1", "classes"] >= 3000


def test_a_controller_that_is_started_again_tells_nothing_twice(asked: Asked) -> None:
    for _ in range(12):
        asked.namespace.start()
        asked.scrape = asked.namespace.controller.scrape
        asked.attach()
        asked.ticks(1, UNEVEN)
    assert len(asked.alarms()) == 1


@pytest.mark.parametrize("content", [None, b"", b"0" * 64 + b"\n{}\n"])
def test_without_its_file_evidence_begins_anew_and_the_journal_is_gone_on_from(
    asked: Asked, content: bytes | None
) -> None:
    asked.ticks(12, UNEVEN)
    file: Path = asked.namespace.home.journal / "shapes" / NAME
    file.unlink() if content is None else file.write_bytes(content)
    asked.namespace.start()
    asked.scrape = asked.namespace.controller.scrape
    asked.attach()
    asked.ticks(12, UNEVEN)
    assert len(asked.alarms()) == 1
    signal = asked.view()["signals"][0]
    assert (signal["status"], signal["against"]) == ("alarm", "production")


def test_drift_that_fails_keeps_nobody_from_deciding(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.controller.drifting.look", lambda *_: 1 / 0)
    promotion = asked.namespace.promote("2")
    asked.namespace.until(lambda: asked.namespace.phase(promotion) in ("Progressing", "Guarding"))
