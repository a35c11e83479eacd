"""What the checklist reads of a version."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.domain.card import Card, InputSpec, Lineage, Metrics, Reference, Slo
from registry.domain.checklist import Candidate
from registry.domain.evaluation import EvaluatedImage, Evaluation
from registry.domain.version import Model, Version
from registry.store.candidate import read_candidate
from registry.store.keys import generate_key, load_trust
from registry.store.versions import VersionStore

MODEL, ONE = Model("shapes"), Version("1")
CARD = Card(
    model=MODEL,
    version=ONE,
    classes=("circle", "square"),
    input=InputSpec(64, 64),
    metrics=Metrics(0.97, 0.01, {"circle": 0.98, "square": 0.96}),
    reference=Reference((1, 1), (0,) * 20),
    low_confidence=0.6,
    slo=Slo(),
    variants={"fp32": {"file": "model.tflite"}},
    lineage=Lineage("run", "data", "code"),
)
EVALUATION = Evaluation("test", (EvaluatedImage("a", "circle", "circle"),))
FILES = {"card.json": CARD.content(), "evaluation.json": EVALUATION.content()}

Read = Callable[[Mapping[str, bytes]], Candidate]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """read(files): publish them as version 1 and read it as a candidate."""

    def published(files: Mapping[str, bytes]) -> Candidate:
        key, store = generate_key(tmp_path / "keys"), VersionStore(tmp_path)
        store.publish(MODEL, ONE, lambda _: files, key=key, created=datetime(2026, 3, 1, tzinfo=UTC))
        return read_candidate(store, load_trust(tmp_path / "keys"), MODEL, ONE)

    return published


def test_a_whole_version_is_read(read: Read) -> None:
    candidate = read(FILES)
    assert (candidate.card, candidate.evaluation, candidate.verification_error) == (CARD, EVALUATION, None)
    assert candidate.manifest
    assert candidate.manifest.version == ONE


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"card.json": CARD.content()}, "evaluation.json is not listed"),
        ({**FILES, "card.json": b"{}"}, "card.json: schema is missing"),
        ({**FILES, "card.json": replace(CARD, version=Version("2")).content()}, "found shapes 2, wanted shapes 1"),
        ({**FILES, "card.json": replace(CARD, model=Model("../x")).content()}, "model name '../x'"),
    ],
)
def test_what_is_wrong_with_signed_files_is_said(files: Mapping[str, bytes], message: str, read: Read) -> None:
    candidate = read(files)
    assert candidate.manifest
    assert (candidate.card, candidate.evaluation) == (None, None)
    assert message in (candidate.verification_error or "")


def test_a_version_that_does_not_verify_has_nothing_but_the_reason(tmp_path: Path, read: Read) -> None:
    read(FILES)
    (tmp_path / "models" / "shapes" / "1" / "card.json").write_bytes(b"{}")
    candidate = read_candidate(VersionStore(tmp_path), load_trust(tmp_path / "keys"), MODEL, ONE)
    assert candidate.manifest is None
    assert "card.json: found 2 bytes" in (candidate.verification_error or "")


def test_a_version_that_is_not_there_is_said_to_be_missing(tmp_path: Path, read: Read) -> None:
    read(FILES)
    candidate = read_candidate(VersionStore(tmp_path), load_trust(tmp_path / "keys"), MODEL, Version("2"))
    assert "no such version" in (candidate.verification_error or "")
