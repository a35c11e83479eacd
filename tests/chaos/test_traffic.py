"""A whole rollout with real predictors under traffic: no request fails, and the split is the one that was asked for."""

import math

import pytest

REQUESTS, WEIGHT = 2000, 0.10
RATE = 60.0
STEPS = "{weight: 10, soak: 75}, {weight: 50, soak: 1}"


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_a_tenth_is_a_tenth_and_no_request_fails(running, tmp_path, wait_until):
    with running(tmp_path, steps=STEPS) as made, made.traffic(RATE) as tally:
        version = made.publish()
        promotion = made.start(*made.promotion(version))
        wait_until(lambda: tally.answers[version], seconds=60, what="the first step")
        before = tally.answers.copy()
        wait_until(lambda: tally.sent >= before.total() + REQUESTS, seconds=90, what=f"{REQUESTS} requests")
        found = tally.answers - before
        assert made.status()["rollout"]["step"] == 0
        made.geometry(*made.promotion(version))
        last = tally.sent
        wait_until(lambda: tally.sent >= last + 5 * RATE, seconds=60, what="traffic after 100 %")
        promotion.communicate(timeout=60)
    total = found.total()
    deviation = (found[version] - WEIGHT * total) / math.sqrt(total * WEIGHT * (1 - WEIGHT))
    print(f"{total} requests at 10 %: {found[version]} to the canary ({deviation:+.1f} standard deviations); ", end="")
    print(f"{tally.sent} in the whole rollout, {len(tally.failures)} failed")
    assert abs(deviation) <= 5
    assert not tally.failures
