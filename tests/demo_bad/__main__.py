"""`make demo-bad`: canaries that deserve no promotion, one after the other, and one that does.

Real predictors, Envoy, controller and commands; the faults are put in by a test-only program in place of the predictor.
Each scene says what ended it, after how long, and how many requests and errors that cost.
"""

import sys
import time
from contextlib import ExitStack

from registry.domain.documents import moment
from tests.demo_bad.installation import MODEL, Installation, Outcome, running, tell
from tests.demo_bad.labels import mistaken
from training.traffic import CONNECTIONS, Shot, flowing, shots

RATE = 150.0
"""Good requests a second; the same again of junk where there is some."""

WATCHED = 15.0
"""Seconds for which a canary is looked at that must not move."""


def main() -> int:
    """Returns 1 when a canary did not end as it should."""
    with running() as place:
        good = shots(place.url, MODEL, seed=20260301, count=100)
        junk = tuple(Shot(_junk(place.url), "") for _ in range(CONNECTIONS))
        outcomes = [
            _goes_back(place, "2", "fails 4 of 100 requests", good, signal="errors", fail=0.04),
            _goes_back(place, "3", "takes 150 ms longer", good, signal="latency", seconds=0.15),
            mistaken(place, "4"),
            *_healthy(place, "5", good, junk),
        ]
    for outcome in outcomes:
        print(f"{'ok    ' if outcome.right else 'WRONG '} {outcome.name}: {outcome.said}")
    return 0 if all(outcome.right for outcome in outcomes) else 1


def _junk(url: str) -> bytes:
    body = b"no image"
    host = url.removeprefix("http://")
    head = f"POST /v1/models/{MODEL}:predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/png\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _goes_back(
    place: Installation, version: str, name: str, good: tuple[Shot, ...], *, signal: str, **fault: float
) -> Outcome:
    """A canary with a fault, under traffic, until its rollout has ended."""
    tell(f"version {version} {name}")
    place.publish(version, **fault)
    with flowing(place.url, good, rate=RATE), place.routed() as routed:
        began = time.monotonic()
        place.geometry("promote", version, "--to", "production", "--yes", "--wait", "--timeout", "170", codes=(1,))
        seconds = time.monotonic() - began
        place.until(lambda: not routed[-1][1].get(version))
    entry = place.last("rolled_back", "promoted", "expired")
    numbers = entry["data"].get("numbers", {})
    cost = numbers.get("rollout", {})
    right = entry["kind"] == "rolled_back" and numbers.get("signal") == signal
    right = right and place.status()["production"] == "1"
    changed = (routed[-1][0] - moment(entry["time"])).total_seconds()
    said = (
        f"{entry['kind']} after {seconds:.0f} s, weights changed {changed:.1f} s after the verdict, "
        f"{cost.get('answers')} canary answers, {cost.get('errors')} errors"
    )
    return Outcome(f"a canary that {name}", right, f"{said}: {entry['data']['reason']}")


def _healthy(place: Installation, version: str, good: tuple[Shot, ...], junk: tuple[Shot, ...]) -> tuple[Outcome, ...]:
    """A canary without a fault: nobody asks it, then only junk comes, then junk and real requests."""
    tell(f"version {version} has no fault, and no traffic")
    place.publish(version)
    place.geometry("promote", version, "--to", "production", "--yes")
    place.until(lambda: _at_step(place, 0))
    quiet = _holds(place, "a canary without traffic")
    tell("nothing but junk")
    with flowing(place.url, junk, rate=RATE):
        refused = _holds(place, "a canary that gets nothing but junk")
    tell("junk and real requests")
    began = time.monotonic()
    with ExitStack() as traffic:
        tally = traffic.enter_context(flowing(place.url, good, rate=RATE))
        traffic.enter_context(flowing(place.url, junk, rate=RATE))
        place.until(lambda: place.status()["rollout"] is None)
    entry = place.last("rolled_back", "promoted", "expired")
    said = f"{entry['kind']} after {time.monotonic() - began:.0f} s, {tally.sent} requests beside as many of junk"
    right = entry["kind"] == "promoted" and not tally.failures
    done = Outcome(
        "a good canary under junk", right, f"{said}, {len(tally.failures)} failed: {entry['data']['reason']}"
    )
    return quiet, refused, done


def _at_step(place: Installation, step: int) -> bool:
    rollout = place.status()["rollout"]
    return rollout is not None and rollout["step"] == step


def _holds(place: Installation, name: str) -> Outcome:
    """It is still at its first step after a while, and the verdict says why."""
    time.sleep(WATCHED)
    verdict = place.status()["seen"].get("verdict") or {}
    right = _at_step(place, 0) and verdict.get("outcome") == "hold"
    return Outcome(name, right, f"{verdict.get('outcome')}: {verdict.get('reason')}; {verdict.get('message')}")


if __name__ == "__main__":
    sys.exit(main())
