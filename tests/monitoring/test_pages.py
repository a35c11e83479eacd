"""Real Prometheus and Alertmanager beside a real installation, whose served model breaks: the right page comes in its
time, and no other. Rules and routes are those of the chart, every duration divided by `FACTOR`.
"""

import json
import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from registry.adapters.local.monitors import Monitors, Settings
from registry.adapters.local.revision import free_port
from registry.adapters.local.state import read_state
from registry.controller.exported import DRIFT_ALARM as ALARM
from registry.controller.exported import DRIFT_REFERENCE as REFERENCE
from tests.demo_bad.installation import MODEL, POLICY, running
from tests.monitoring.pictures import blurred, rendered, seen, traffic
from tests.monitoring.programs import program
from tests.monitoring.receiver import receiving
from tests.monitoring.rulefiles import FILES
from tests.monitoring.shortened import FACTOR, write
from training.traffic import flowing

pytestmark = [pytest.mark.monitoring, pytest.mark.timeout(1200)]

HASTY = Path(__file__).with_name("hasty_controller.py")
LEARNED = POLICY + f"drift: {{minimum: 2000, days: {60 / 86400:.6f}}}\n"
"""Production's own class mix is known after a minute of 2,000 answers, in place of a week of 10,000."""

RATE = 30.0
"""Requests a second."""

HEALTHY = 20.0
"""Seconds of undisturbed traffic before something breaks: a window of five minutes, and a third of the hour's."""

AFTER = 70.0
"""Seconds after the page in which no other may come: the slowest that could follow takes 20 minutes of silence."""

SLACK = 15.0
"""Seconds that do not shrink: scrapes, evaluations and notifications of a machine that does other things too."""

DRIFTS = (1000 / RATE + 2 * 60 / FACTOR) * FACTOR
"""Seconds until drift is told: a thousand predictions, the tick that they end in, and a minute of the alert's own."""


@pytest.fixture(scope="module")
def images():
    return rendered()


@pytest.fixture(scope="module")
def place(images):
    program("prometheus")
    program("alertmanager")
    with running(controller=HASTY, policy=LEARNED, reference=seen(images)) as made:
        yield made


@pytest.fixture
def fresh(images):
    """An installation whose drift nobody else's traffic touched: an episode outlasts its cause by a hundred ticks."""
    program("prometheus")
    program("alertmanager")
    with running(controller=HASTY, policy=LEARNED, reference=seen(images)) as made:
        yield made


class Watch:
    """Prometheus, Alertmanager and who is told. One thread has them, so whoever waits keeps them going."""

    def __init__(self, place, monitors, receiver):
        self._place, self._monitors, self._receiver = place, monitors, receiver

    @property
    def told(self):
        """Without what this machine's disk says of itself."""
        return {key: when for key, when in self._receiver.told.items() if key[0] != "GeometryStoreNearlyFull"}

    @property
    def summaries(self):
        return self._receiver.summaries

    def query(self, expression):
        answer = httpx.get(f"{self._monitors.urls[0]}/api/v1/query?query={quote(expression)}", trust_env=False)
        return answer.raise_for_status().json()["data"]["result"]

    def go_on(self, seconds, until=lambda: False):
        """Whether it came to be within the time."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                return False
            self._monitors.step(read_state(self._place.home), datetime.now(UTC))
            time.sleep(0.2)
        return True

    def answers(self):
        try:
            return self.query("ml_geometry_request_rate > 1")
        except httpx.HTTPError:
            return False


@pytest.fixture
def watch(place, images, tmp_path):
    """A Prometheus that knows nothing of what was before, under traffic that is answered."""
    with watching(place, tmp_path) as made, flowing(place.url, traffic(place.url, MODEL, images), rate=RATE):
        assert made.go_on(120, made.answers), "Prometheus has no numbers of the traffic"
        made.go_on(HEALTHY)
        assert made.told == {}
        yield made


@contextmanager
def learned(place, images, directory):
    """A Prometheus, while traffic flows until the class mix of production has become its reference."""
    with watching(place, directory) as made:
        with flowing(place.url, traffic(place.url, MODEL, images), rate=RATE):
            assert made.go_on(120, made.answers), "Prometheus has no numbers of the traffic"
            known = partial(made.query, f'{REFERENCE}{{signal="classes"}} > 0')
            assert made.go_on(400, known), "no reference of the class mix"
            made.go_on(HEALTHY)
            assert made.told == {}
        yield made


@contextmanager
def watching(place, directory):
    files = write(FILES, directory / "files")
    with receiving() as receiver:
        settings = Settings(
            files=files,
            prometheus=free_port(),
            alertmanager=free_port(),
            webhook=receiver.url,
            scrape="1s",
            lookback="15s",
        )
        monitors = Monitors(directory / "monitoring", settings)
        monitors.start(datetime.now(UTC))
        try:
            yield Watch(place, monitors, receiver)
        finally:
            monitors.stop(datetime.now(UTC))


@contextmanager
def broken(place, **fault):
    """Version 1, which serves, has a fault while the block lasts."""
    file = place.home / "store" / "models" / MODEL / "1.json"
    made = file.with_suffix(".new")
    made.write_text(json.dumps(fault))
    made.rename(file)
    try:
        yield
    finally:
        file.unlink()


def page(watch, name, *, promised, severity="critical"):
    """It comes, and no other; `promised` are the seconds of the rules as they are.

    Where Prometheus knows no more than these seconds all windows are equally long, and a slow burn's ticket may come
    before the page of the same name.
    """
    key, began = (name, severity, MODEL), time.monotonic()
    assert watch.go_on(promised / FACTOR + SLACK, lambda: key in watch.told), f"no {name}; told of: {watch.told}"
    took = watch.told[key] - began
    watch.go_on(AFTER)
    print(f"{name} after {took:.1f} s, {promised / FACTOR:.1f} s promised: {watch.summaries[0]}")
    assert {told for told, _, _ in watch.told} == {name}


@pytest.mark.parametrize(("share", "promised"), [(1.0, 90), (0.05, 18 * 60)])
def test_a_model_that_fails_pages_for_its_errors_alone(place, watch, share, promised):
    with broken(place, fail=share):
        page(watch, "GeometryAvailabilityBurn", promised=promised)


def test_a_model_that_is_slow_pages_for_its_latency_alone(place, watch):
    with broken(place, seconds=0.15):
        page(watch, "GeometryLatencyBurn", promised=9 * 60)


def test_a_model_that_is_dead_pages_for_the_service_alone(place, watch):
    with broken(place, dead=1.0):
        os.kill(read_state(place.home).revisions[0].pid, signal.SIGKILL)
        page(watch, "GeometryServiceDown", promised=90)
    assert watch.go_on(60, watch.answers), "it does not serve again"


def test_a_model_that_calls_half_of_all_images_circles_is_told_as_drift_alone(fresh, images, tmp_path):
    with learned(fresh, images, tmp_path) as watch, broken(fresh, shift=0.5):
        with flowing(fresh.url, traffic(fresh.url, MODEL, images), rate=RATE):
            page(watch, "GeometryDrift", promised=DRIFTS, severity="warning")
        assert {row["metric"]["signal"] for row in watch.query(f"{ALARM} == 1")} == {"classes"}


def test_pictures_out_of_focus_are_told_as_drift_alone(fresh, images, tmp_path):
    with learned(fresh, images, tmp_path) as watch:
        out_of_focus = traffic(fresh.url, MODEL, [blurred(image) for image in images])
        with flowing(fresh.url, out_of_focus, rate=RATE):
            page(watch, "GeometryDrift", promised=DRIFTS, severity="warning")
        assert "edge_density" in {row["metric"]["signal"] for row in watch.query(f"{ALARM} == 1")}


def test_a_model_that_is_well_pages_nobody(watch):
    assert not watch.go_on(AFTER, lambda: watch.told)
