"""The proof can fail: whatever breaks a promise on purpose is found, by the executions that run anyway."""

import os
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from registry.controller import loop
from registry.domain import rollout
from registry.domain.state import State
from registry.domain.verdict import Outcome
from registry.store import durable
from tests.proofs import substrate
from tests.proofs.cases import drawn_schedule
from tests.proofs.execution import Case, Proof
from tests.proofs.oracle import Violation


def undisturbed_is_fine(proof: Proof, way: str) -> None:
    assert proof.undisturbed(way).kinds


def test_weight_that_was_not_recorded_is_found(proof, monkeypatch):
    undisturbed_is_fine(proof, "promote")
    real = loop.release

    def eager(state: State):
        found = state.rollout
        return real(state if found is None or found.step else replace(state, rollout=replace(found, step=1)))

    monkeypatch.setattr(loop, "release", eager)
    with pytest.raises(Violation, match="2 gets 50 %, recorded are 20 %"):
        proof.execute(Case("promote"))


def test_a_verdict_without_an_answer_is_found(proof, monkeypatch):
    undisturbed_is_fine(proof, "expire")
    real = rollout.judge_step
    monkeypatch.setattr(
        rollout, "judge_step", lambda *given, **more: replace(real(*given, **more), outcome=Outcome.PROMOTE)
    )
    with pytest.raises(Violation, match="passed without an answer"):
        proof.execute(Case("expire"))


def test_a_pod_that_leaves_before_its_weight_is_found(proof, monkeypatch):
    undisturbed_is_fine(proof, "rollback of a rollout")
    monkeypatch.setattr(substrate, "_drained", lambda *_: True)
    with pytest.raises(Violation, match="the pod of 2 leaves with 20 %"):
        proof.execute(Case("rollback of a rollout"))


def found(proof: Proof, cases: Iterable[Case]) -> str:
    """The first violation."""
    for case in cases:
        try:
            proof.execute(case)
        except Violation as violation:
            return str(violation)
    return "nothing"


@pytest.fixture
def dice() -> random.Random:
    return random.Random(20260301)


def test_two_writers_of_one_entry_are_found(proof, monkeypatch, dice):
    undisturbed_is_fine(proof, "refuse")

    def overwrite(path, content):
        durable.replace(path, content)
        os.link(path, path.with_suffix(".seen"))

    monkeypatch.setattr(durable, "link_new", overwrite)
    assert "journal" in found(proof, (drawn_schedule(proof, "refuse", dice) for _ in range(40)))


def test_a_substrate_that_takes_writes_from_who_saw_an_older_state_is_found(proof, monkeypatch, dice):
    undisturbed_is_fine(proof, "rollback of a rollout")
    monkeypatch.setattr(substrate, "FENCED", False)
    cases = (drawn_schedule(proof, "rollback of a rollout", dice) for _ in range(100))
    assert "a route of entry" in found(proof, cases)
