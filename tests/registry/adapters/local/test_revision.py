"""When a revision's process is taken for one that hangs."""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from registry.adapters.local.revision import HUNG, STARTING, Program, RevisionProcess
from registry.adapters.local.workloads import Workload
from registry.domain.version import Model, Revision, Version

FAKE = Path(__file__).parents[3] / "fixtures" / "fake_predictor.py"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def revision(tmp_path):
    directory = Path("models/shapes/3")
    (tmp_path / directory).mkdir(parents=True)
    workload = Workload(
        service="shapes-v3-predictor",
        inference_service="shapes",
        model=Model("shapes"),
        revision=Revision("v3"),
        version=Version("3"),
        digest="3" * 64,
        directory=directory,
        arguments=(),
        environment=(("MODEL_DIGEST", "3" * 64),),
    )
    program = Program((sys.executable, "-I", "-S", str(FAKE)), tmp_path, tmp_path / "trust.json", tmp_path / "logs")
    with httpx.Client(timeout=0.2, trust_env=False) as client:
        made = RevisionProcess(workload, program, client)
        yield made
        made.child.kill()
        made.child.wait(timeout=10)


def test_a_slow_start_is_waited_for(revision, tmp_path):
    (tmp_path / "models/shapes/3/behaviour.json").write_text(json.dumps({"ready": False}))
    revision.supervise(NOW)
    revision.probe(NOW)
    revision.supervise(NOW + 2 * HUNG)
    assert not revision.child.wait(timeout=0.2)
    revision.supervise(NOW + 2 * STARTING)
    assert revision.child.wait(timeout=10)


def test_one_that_was_ready_and_hangs_is_killed(revision, until):
    revision.supervise(NOW)
    until(lambda: revision.probe(NOW) or revision.ready)
    os.kill(revision.child.pid, signal.SIGSTOP)
    until(lambda: revision.probe(NOW) or not revision.ready)
    revision.supervise(NOW + 2 * HUNG)
    assert revision.child.wait(timeout=10)
