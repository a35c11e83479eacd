"""Publishing: what a run leaves in the store, and what it never touches."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from registry.domain.card import CARD, InputSpec, Lineage, parse_card
from registry.domain.documents import sha256
from registry.domain.errors import Refused
from registry.domain.evaluation import EVALUATION, parse_evaluation
from registry.domain.features import reference
from registry.domain.journal import Draft, Kind
from registry.domain.version import Model, Version
from registry.store.home import Home
from training.evaluate import evaluate
from training.publish import MODEL_FILE, Candidate, baseline_on, code_version, publish, require_free, signing_key
from training.settings import ModelType
from training.split import Split

NET = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"
SHAPES, NOW = Model("shapes"), datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
CLASSES = ("circle", "ellipse", "triangle", "square", "rectangle", "pentagon", "hexagon", "star")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def candidate(*, images: int = 32) -> Candidate:
    dice = np.random.default_rng(1)
    labels = np.arange(images) % len(CLASSES)
    probabilities = dice.dirichlet(np.ones(len(CLASSES)), images).astype(np.float32)
    pixels = dice.integers(0, 256, (images, 64, 64, 3)).astype(np.uint8)
    test = Split(pixels, labels, tuple(f"{place:016x}" for place in range(images)), np.zeros(images, np.bool_))
    return Candidate(
        model=SHAPES,
        model_type=ModelType.CUSTOM,
        litert=NET.read_bytes(),
        side=64,
        parity=1e-6,
        report=evaluate(probabilities, labels, test.hard, classes=CLASSES),
        test=test,
        baseline=None,
        lineage=Lineage("a" * 32, "b" * 64, "c" * 40),
    )


def released(home: Home, found: Candidate, version: str | None = None) -> Version:
    chosen = None if version is None else Version(version)
    return publish(found, chosen, home=home, key=signing_key(home, print), created=NOW).version


def test_a_published_version_holds_card_evaluation_and_graph_and_verifies(home: Home) -> None:
    version = released(home, candidate())
    verified = home.versions().verify(SHAPES, version, home.trust())
    card = parse_card(verified.read(CARD))
    assert [entry.path for entry in verified.manifest.files] == sorted((CARD, EVALUATION, MODEL_FILE))
    assert (card.version, card.classes, card.input) == ("1", CLASSES, InputSpec(64, 64))
    assert sha256(verified.read(card.file("fp32"))) == sha256(NET.read_bytes())


def test_the_card_has_features_of_the_images_whose_predictions_it_counts(home: Home) -> None:
    found = candidate()
    verified = home.versions().verify(SHAPES, released(home, found), home.trust())
    kept = parse_card(verified.read(CARD)).reference
    assert kept.features == reference(found.test.features())
    assert {sum(counts) for _, counts in kept.features.values()} == {sum(kept.classes)}


def test_the_evaluation_names_every_test_image_with_label_and_answer(home: Home) -> None:
    found = candidate()
    version = released(home, found)
    evaluated = parse_evaluation(home.versions().verify(SHAPES, version, home.trust()).read(EVALUATION))
    assert evaluated.test_digest == found.test.digest
    assert [image.label for image in evaluated.images] == [CLASSES[label] for label in found.test.labels]
    assert [image.fp32 for image in evaluated.images] == [CLASSES[place] for place in found.report.predicted]


def test_versions_count_up_and_pass_over_those_that_the_journal_has(home: Home) -> None:
    assert released(home, candidate()) == "1"
    entry = Draft(Kind.PUBLISHED, "test", {"version": "2", "digest": "d" * 64})
    home.journal_of(SHAPES).append([entry], head=None, now=NOW)
    assert released(home, candidate(images=40)) == "3"


def test_a_version_that_is_in_the_store_is_refused(home: Home) -> None:
    released(home, candidate(), "1.2.0")
    with pytest.raises(Refused, match=r"shapes 1\.2\.0: exists already"):
        require_free(home, SHAPES, Version("1.2.0"))


def test_a_version_that_nobody_has_is_free(home: Home) -> None:
    require_free(home, SHAPES, Version("1"))
    assert home.versions().versions(SHAPES) == ()


def test_the_first_run_makes_the_signing_key_and_says_so(home: Home) -> None:
    said: list[str] = []
    first = signing_key(home, said.append)
    assert signing_key(home, said.append).keyid == first.keyid
    assert len(said) == 1
    assert first.keyid in said[0]


def test_a_baseline_says_what_the_earlier_version_answers_for_the_same_images(home: Home) -> None:
    found = candidate()
    earlier = home.versions().verify(SHAPES, released(home, found), home.trust())
    baseline = baseline_on(earlier, found.test, other_size=lambda width, height: found.test.images)
    assert (baseline.version, baseline.digest, len(baseline.classes)) == ("1", earlier.digest, len(found.test))
    assert set(baseline.classes) <= set(CLASSES)


def test_the_code_version_is_the_commit_and_says_when_files_differ(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "__init__.py").write_text("")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    assert code_version(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "__init__.py").write_text("changed")
    assert code_version(tmp_path) == git("rev-parse", "HEAD") + "-dirty"


def test_without_a_checkout_the_code_version_is_the_installed_packages(tmp_path: Path) -> None:
    assert code_version(tmp_path) == "0.1.0"
