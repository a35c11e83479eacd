"""SIGKILL at seeded moments of a canary rollout under traffic: what is recorded stays consistent, and the same commands
finish the job.
"""

import os
import random
import signal
import time

import pytest

pytestmark = pytest.mark.timeout(300)  # real predictors, each of which loads KServe: slow on a busy machine

MOMENTS = 20
VICTIMS = ("controller", "envoy", "stable", "canary", "promote")
STEPS = "{weight: 20, soak: 1}, {weight: 50, soak: 1}"
ENTRIES, SECONDS = 16, 1.5
"""A moment: so many entries after the command was started, and so many seconds later, both at most. An undisturbed
rollout records about as many entries; a moment counted in them is as good on a slow machine as on a fast one.
"""


@pytest.fixture(scope="module")
def installation(running, tmp_path_factory):
    with running(tmp_path_factory.mktemp("killed"), steps="{weight: 50, soak: 1}") as made:
        yield made


@pytest.fixture(scope="module", params=VICTIMS)
def victim(request):
    return request.param


@pytest.fixture(scope="module")
def of_victim(running, tmp_path_factory, victim):
    """One installation for all moments of a victim: every moment promotes the next version."""
    with running(tmp_path_factory.mktemp(victim), steps=STEPS, tracking=victim == "controller") as made:
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
    begun, dice = time.monotonic(), random.Random(f"{victim} {moment}")
    entries, seconds = dice.randrange(ENTRIES), dice.uniform(0, SECONDS)
    version, before = of_victim.publish(), of_victim.entries()
    with of_victim.traffic() as tally:
        promotion = of_victim.start(*of_victim.promotion(version))
        wait_until(
            lambda: of_victim.entries() >= before + entries or promotion.poll() is not None, seconds=60, what="entry"
        )
        pause(seconds)
        rollout = kill(of_victim, victim, version, promotion, wait_until)
        if victim == "controller":
            wait_until(lambda: set(of_victim.processes()) <= {promotion.pid}, seconds=2, what="no orphan")
        finish(of_victim, version)
        promotion.communicate(timeout=60)
    phase = "no rollout" if rollout is None else f"step {rollout['step']} at {rollout['weight']:2} %"
    print(
        f"{victim:<10} {moment:>2}  killed {entries:>2} entries + {seconds:.1f} s on ({phase}), its promote ended with "
        f"{promotion.returncode}; done after {time.monotonic() - begun:.0f} s, {tally.sent} requests, "
        f"{len(tally.failures)} failed"
    )
    assert promotion.returncode in {"controller": (0, 5), "promote": (0, -signal.SIGKILL)}.get(victim, (0,))
    assert victim != "promote" or not tally.failures


def test_a_rollout_survives_the_death_of_everything_that_takes_part(installation, wait_until, pause):
    dice, version = random.Random(20260301), installation.publish()
    with installation.traffic():
        promotion = installation.start(*installation.promotion(version))
        wait_until(lambda: "canary" in installation.pids(version), seconds=60, what="canary")
        for victim in (*dice.sample(VICTIMS[1:], len(VICTIMS) - 1), "controller"):
            pause(dice.uniform(0, 0.5))
            kill(installation, victim, version, promotion, wait_until)
        wait_until(lambda: set(installation.processes()) <= {promotion.pid}, seconds=2, what="no orphan")
        finish(installation, version)
    promotion.communicate(timeout=60)
    assert promotion.returncode == -signal.SIGKILL


def test_after_the_death_of_every_process_at_once_production_serves_again(installation, wait_until):
    production = installation.status()["production"]
    for pid in installation.pids().values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not installation.processes(), seconds=2, what="no orphan")
    installation.up()
    with installation.traffic() as tally:
        wait_until(lambda: tally.sent >= 10, seconds=30, what="ten requests")
    assert set(tally.answers) == {production}
    assert not tally.failures
