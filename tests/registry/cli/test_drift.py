"""`geometry drift` and the line of `geometry status`, of a report as the controller makes it."""

import json
import os
import re
from collections.abc import Callable

import pytest
import yaml

from registry.cli.drift import lines
from registry.controller.__main__ import take_lock
from registry.domain.drift_counts import CLASSES
from registry.domain.drift_record import highest
from registry.domain.drift_report import drift_samples, report
from registry.store.home import Home
from tests.registry.cli.conftest import Ran
from tests.registry.domain.builders import MODEL
from tests.registry.domain.drifting import QUICK, Stream

SHIFTED = (0.1, 0.45, 0.2, 0.15, 0.1)


@pytest.fixture(scope="module")
def drifted() -> dict[str, object]:
    """A report after the class mix moved."""
    stream = Stream().ticks(30)
    stream.until(CLASSES, most=12, mix=SHIFTED)
    return json.loads(json.dumps(report(stream.watch, stream.subject, QUICK)))


@pytest.fixture
def shown(home: Home, drifted: dict[str, object]) -> Home:
    """The controller's last view has it."""
    (home.run / "views").mkdir(parents=True)
    (home.run / "views" / "shapes.json").write_text(json.dumps({"drift": drifted}))
    return home


def test_the_table_has_a_row_a_signal_and_ends_with_what_to_do(shown: Home, geometry: Callable[..., Ran]) -> None:
    ran = geometry("drift")
    rows = ran.output.splitlines()
    assert (ran.code, rows[0]) == (0, "shapes 1: evaluated " + rows[0].rpartition(" evaluated ")[2])
    assert re.match(r"classes +alarm +2026-03-02T\S+ +█{20} ", rows[2])
    assert re.match(r"confidence +watched +- +[█░]{20} ", rows[3])
    assert "square" in rows[2]
    assert rows[-1].startswith("look at what changed")


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_the_report(
    shown: Home, geometry: Callable[..., Ran], drifted: dict[str, object], output: str
) -> None:
    assert yaml.safe_load(geometry("drift", "-o", output).output) == drifted


def test_status_of_a_controller_has_a_line_on_drift(shown: Home, geometry: Callable[..., Ran]) -> None:
    with os.fdopen(take_lock(shown)):
        assert "drift of classes since 2026-03-02T" in geometry("status").output


def test_where_nothing_is_watched_that_is_said(home: Home, geometry: Callable[..., Ran]) -> None:
    assert geometry("drift").told.startswith("shapes: nothing is watched yet")
    assert json.loads(geometry("drift", "-o", "json").output) == {}


def test_a_drift_is_named_with_what_moved_and_what_to_do(drifted: dict[str, object]) -> None:
    told = lines(MODEL, drifted)
    assert told[0].startswith("drift of classes since 2026-03-02T")
    assert "square" in told[0]
    assert "geometry train -m shapes" in told[-1]


def test_nothing_is_said_where_nothing_drifts() -> None:
    stream = Stream().ticks(25)
    assert lines(MODEL, report(stream.watch, stream.subject, QUICK)) == []


def test_what_is_still_learned_says_how_far_it_is() -> None:
    stream = Stream().ticks(3)
    classes, confidence, brightness, *_ = report(stream.watch, stream.subject, QUICK)["signals"]
    assert classes["status"] == "warming"
    assert classes["reason"] == "learns production's: 300 of 1000 answers, 0.0 of 0.01 days"
    assert (confidence["status"], confidence["reason"]) == ("warming", "learns how answers vary: 3 of 20 ticks")
    assert (brightness["status"], brightness["reason"]) == ("none", "the card of version 1 has no reference of it")
    assert classes["psi"] is not None


def test_an_alarm_is_the_furthest_signal(drifted: dict[str, object]) -> None:
    assert highest(drifted)["highest"] == 1.0


def test_every_signal_has_its_samples(drifted: dict[str, object]) -> None:
    found = {(name, *labels): value for name, labels, value in drift_samples(MODEL, drifted)}
    assert found["ml_geometry_prediction_drift_alarm", "shapes", "1", "classes"] == 1
    assert found["ml_geometry_prediction_drift_reference_size", "shapes", "1", "brightness"] == 0
    assert found["ml_geometry_prediction_drift_last_evaluation_timestamp_seconds", "shapes"] > 0
    assert len([name for name, *_ in found if name == "ml_geometry_prediction_drift"]) == 7
    assert [name for name, _, _ in drift_samples(MODEL, None)] == [
        "ml_geometry_prediction_drift_threshold",
        "ml_geometry_prediction_drift_last_evaluation_timestamp_seconds",
    ]
