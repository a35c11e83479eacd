"""`make demo`: the whole loop on one machine, through the same commands that a user types.

Train a version, serve it, train a better one from it, bring that in as a canary under live traffic, let the judge move
it to 100 %, and leave everything running. What is done already is not done again.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from training.traffic import Tally, capacity, flowing, shots

GEOMETRY = str(Path(sys.executable).with_name("geometry"))
HOME = Path(os.environ.get("GEOMETRY_HOME") or ".geometry")
MODEL = "shapes"

POLICY = """\
# The demo's policy: two short steps; everything else is as by default.
schema: 1
serving: {minReplicas: 1}
rollout:
  steps: [{weight: 10, soak: 3}, {weight: 50, soak: 3}]
  warmup: 3
  rollbackWindow: 600
"""

IMAGES = 400
MEASURE, BEFORE, AFTER = 3.0, 3.0, 10.0
"""Seconds of traffic: to measure capacity, before the first step, and after 100 %."""


def main() -> int:
    """Returns 1 when a request failed or the second version did not reach production."""
    if not (HOME / "policy.yaml").exists():
        HOME.mkdir(parents=True, exist_ok=True)
        (HOME / "policy.yaml").write_text(POLICY)
    _ensure_version("1")
    _geometry("local", "up")
    if _status()["production"] is None:
        _geometry("promote", "1", "--to", "production", "--yes", "--wait", "--timeout", "120")
    _ensure_version("2", "--resume", "1")
    done = _canary() if _status()["production"] == "1" else True
    _farewell()
    return 0 if done else 1


def _ensure_version(version: str, *options: str) -> None:
    """Train and publish a version unless it is there."""
    if (HOME / "store" / "models" / MODEL / version).is_dir():
        _tell(f"version {version} is there already")
        return
    _geometry("train", "--quick", "--register-model", "--model-version", version, *options)


def _canary() -> bool:
    """Promote version 2 under traffic; False when a request failed or it is not in production."""
    url = str(_local()["public"])
    prepared = shots(url, MODEL, seed=20260301, count=IMAGES)
    most = capacity(url, prepared, seconds=MEASURE)
    rate = max(50.0, most / 2)
    _tell(f"capacity {most:.0f} requests/s; live traffic from now on: {rate:.0f} requests/s")
    with flowing(url, prepared, rate=rate) as tally:
        _pass_time(BEFORE, tally)
        _geometry("promote", "2", "--to", "production", "--yes", "--wait", "--timeout", "300")
        _pass_time(AFTER, tally)
    _report(tally)
    return not tally.failures and _status()["production"] == "2"


def _pass_time(seconds: float, tally: Tally) -> None:
    time.sleep(seconds)
    _tell(f"so far {dict(tally.answers)} answers by version, {len(tally.failures)} failed")


def _report(tally: Tally) -> None:
    answered = sum(tally.answers.values())
    _tell(
        f"{tally.sent} requests, {len(tally.failures)} failed, {tally.right / max(answered, 1):.1%} right, by version:"
    )
    for version, count in sorted(tally.answers.items()):
        _tell(f"  version {version}: {count} answers ({count / answered:.1%})")
    for failure, count in Counter(tally.failures).most_common(5):
        _tell(f"  {count} × {failure}")


def _farewell() -> None:
    local = _local()
    print(f"""
Running: live traffic on {local["public"]}, tests of one revision on {local["pinned"]}, Envoy on {local["admin"]}

  geometry status                 which version serves, and what the judge says
  geometry history                who decided what, and why
  make predict                    classify rendered images, or IMAGE=yours.png
  geometry rollback --yes         back to version 1, at once
  make mlflow                     runs, metrics and pictures of the training
  make demo-down                  stop everything

  curl {local["public"]}/v1/models/{MODEL}:predict -H 'Content-Type: image/png' --data-binary @circle.png""")


def _status() -> dict[str, object]:
    return dict(json.loads(_read("status", "-m", MODEL, "-o", "json")))


def _local() -> dict[str, object]:
    return dict(json.loads(_read("local", "status", "-o", "json")))


def _geometry(*arguments: str) -> None:
    """Run a command as a user would see it; the demo ends where it fails."""
    _tell(f"$ geometry {' '.join(arguments)}")
    subprocess.run([GEOMETRY, *arguments], check=True)  # noqa: S603 - this installation's own command


def _read(*arguments: str) -> str:
    command = [GEOMETRY, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - as above


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(f"demo: `geometry {' '.join(error.cmd[1:])}` ended with exit code {error.returncode}", file=sys.stderr)
        sys.exit(1)
