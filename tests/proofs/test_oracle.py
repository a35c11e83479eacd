"""The proof can fail: whatever breaks a promise on purpose is found, by the executions that run anyway."""

import os
import random
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import replace

import pytest

from registry.controller import loop
from registry.domain import inquiry, rollout
from registry.domain.state import State
from registry.domain.verdict import Outcome
from registry.store import durable
from tests.proofs import substrate
from tests.proofs.cases import drawn_schedule, kills
from tests.proofs.execution import Case, Proof
from tests.proofs.oracle import Violation


def undisturbed_is_fine(proof: Proof, way: str) -> None:
    assert proof.undisturbed(way).kinds


def act_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step is acted upon as if it were the second."""
    real = loop.release

    def eager(state: State):
        found = state.rollout
        return real(state if found is None or found.step else replace(state, rollout=replace(found, step=1)))

    monkeypatch.setattr(loop, "release", eager)


def test_weight_that_was_not_recorded_is_found(proof, monkeypatch):
    undisturbed_is_fine(proof, "promote")
    act_ahead(monkeypatch)
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


def test_a_version_whose_bytes_were_altered_is_found(proof, monkeypatch):
    undisturbed_is_fine(proof, "altered bytes")
    monkeypatch.setattr(inquiry, "examine", lambda *_, **__: ())
    with pytest.raises(Violation, match=r"entry \d+ \(staged\): .*model.tflite: found sha256"):
        proof.execute(Case("altered bytes"))


def test_copies_that_were_not_recorded_are_found(proof, monkeypatch):
    undisturbed_is_fine(proof, "header and mirror first")
    act_ahead(monkeypatch)
    with pytest.raises(Violation, match="2 gets 100 %, recorded are 0 %"):
        proof.execute(Case("header and mirror first"))


def test_a_backup_that_is_named_before_it_is_whole_is_found(proof, monkeypatch):
    undisturbed_is_fine(proof, "backup while one is deleted")

    @contextmanager
    def in_place(target):
        target.mkdir()
        yield target

    monkeypatch.setattr(durable, "directory_aside", in_place)
    assert "is not whole" in found(proof, kills(proof, "backup while one is deleted"))


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
