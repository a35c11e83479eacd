"""SIGKILL of `geometry train` at seeded moments: every version is whole or absent, and the same command succeeds."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from registry.store.home import Home

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]  # every round imports TensorFlow twice

GEOMETRY = str(Path(sys.executable).with_name("geometry"))
MOMENTS = 20
IMAGES = 320


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    subprocess.run([GEOMETRY, "data", "render", "--output", str(directory), "--count", str(IMAGES)], check=True)
    return directory


@pytest.fixture(scope="module")
def command(data):
    return [GEOMETRY, "train", "--quick", "--epochs", "1", "--register-model", "--data", str(data)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def usual(command, place):
    """Seconds of an undisturbed run, after a first one that makes MLflow's database."""
    train(command, place)
    begun = time.monotonic()
    train(command, place)
    return time.monotonic() - begun


def train(command, place):
    return subprocess.run(command, check=True, env={**os.environ, "GEOMETRY_HOME": str(place.root)})


def whole(place):
    """All versions in the store; each one verifies."""
    store, trust = place.versions(), place.trust()
    found = store.versions("shapes")
    for version in found:
        store.verify("shapes", version, trust)
    return len(found)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_killed_training_leaves_whole_versions_and_succeeds_when_repeated(command, place, usual, moment):
    before, after = whole(place), random.Random(f"train {moment}").uniform(0.2, usual)
    run = subprocess.Popen(command, env={**os.environ, "GEOMETRY_HOME": str(place.root)}, start_new_session=True)
    try:
        run.wait(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    left = whole(place) - before
    train(command, place)
    assert left in (0, 1)
    assert whole(place) == before + left + 1
    print(f"train      {moment:>2}  killed after {after:4.1f} s of {usual:.1f} s: {left} version, repeated: 1 more")
