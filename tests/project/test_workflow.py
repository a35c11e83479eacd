"""Continuous integration does what a desk does: it calls make, on the promised Pythons, with the least rights."""

import os
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
JOBS = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()]


def test_actions_are_pinned_by_commit_with_their_version_beside():
    used = [line for path in WORKFLOWS for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    assert [
        line for line in used if not re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)
    ] == []


def test_the_token_may_only_read():
    assert CI["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in JOBS)


def test_every_step_can_be_repeated_at_a_desk():
    commands = [step["run"] for job in JOBS for step in job["steps"] if "run" in step]
    assert commands
    assert [command for command in commands if not re.fullmatch(r"make [a-z-]+", command)] == []


def test_every_job_ends():
    assert all(0 < job["timeout-minutes"] <= 60 for job in JOBS)


def test_the_matrix_is_what_the_distribution_promises():
    promised = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [line.rpartition(" ")[2] for line in promised if re.search(r"Python :: 3\.\d+$", line)]
    assert CI["jobs"]["check"]["strategy"]["matrix"]["python"] == pythons


def test_the_landing_script_lints_and_tests():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-4:] == ["rules", "make lint", "smoke", "make test"]
