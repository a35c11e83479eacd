"""SIGKILL at seeded moments of a canary rollout under traffic: what is recorded stays consistent, and the same commands
finish the job.
"""

import os
import random
import signal
import time

import pytest

MOMENTS = 20
VICTIMS = ("controller", "envoy", "stable", "canary", "promote")
STEPS = "{weight: 20, soak: 1}, {weight: 50, soak: 1}"
LONGEST = 12.0
"""Seconds from the promotion to the kill at most; an undisturbed rollout takes about as long."""


@pytest.fixture(scope="module")
def installation(running, tmp_path_factory):
    with running(tmp_path_factory.mktemp("killed"), steps=STEPS) as made:
        yield made


@pytest.fixture(scope="module", params=VICTIMS)
def victim(request):
    return request.param


@pytest.fixture(scope="module")
def of_victim(running, tmp_path_factory, victim):
    """One installation for all moments of a victim: every moment promotes the next version."""
    with running(tmp_path_factory.mktemp(victim), steps=STEPS) as made:
        yield made


def kill(installation, victim, version, promotion, wait_until):
    """SIGKILL, as soon as there is such a process. Returns how far the rollout was."""
    if victim == "promote":
        promotion.kill()
        return installation.status()["rollout"]
    wait_until(lambda: victim in installation.pids(version), seconds=30, what=victim)
    os.kill(installation.pids(version)[victim], signal.SIGKILL)
    return installation.status()["rollout"]


def finish(installation, version):
    """The commands that a user would repeat."""
    installation.check_journal()
    installation.up()
    installation.geometry(*installation.promotion(version))
    installation.check_journal()
    installation.check_serving(version)


@pytest.mark.chaos
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_rollout_survives_a_kill_at_any_moment(of_victim, victim, moment, wait_until, pause):
    begun, after = time.monotonic(), random.Random(f"{victim} {moment}").uniform(0, LONGEST)
    version = of_victim.publish()
    with of_victim.traffic() as tally:
        promotion = of_victim.start(*of_victim.promotion(version))
        pause(after)
        rollout = kill(of_victim, victim, version, promotion, wait_until)
        if victim == "controller":
            wait_until(lambda: set(of_victim.processes()) <= {promotion.pid}, seconds=2, what="no orphan")
        finish(of_victim, version)
        promotion.communicate(timeout=60)
    phase = "not in progress" if rollout is None else f"step {rollout['step']} at {rollout['weight']} %"
    print(
        f"{victim:<10} {moment:>2}  killed after {after:4.1f} s ({phase}), promote ended with {promotion.returncode}; "
        f"done after {time.monotonic() - begun:4.1f} s, {tally.sent} requests, {len(tally.failures)} failed"
    )
    assert promotion.returncode in {"controller": (0, 5), "promote": (0, -signal.SIGKILL)}.get(victim, (0,))
    assert victim != "promote" or not tally.failures
