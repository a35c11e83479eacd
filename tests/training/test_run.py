"""Whole runs on a few images: what is published, continued, compared, refused, and what a dead server cannot spoil."""

import io
from pathlib import Path
from typing import Any

import pytest

from registry.domain.card import CARD, parse_card
from registry.domain.errors import NotFound, Refused
from registry.domain.evaluation import EVALUATION, Evaluation, parse_evaluation
from registry.domain.version import Model, Version
from registry.store.home import Home
from training.dataset import Dataset, rendered
from training.errors import DatasetError, NotTracked
from training.progress import Lines
from training.run import Outcome, run
from training.settings import ModelType, Settings

SHAPES = Model("shapes")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return rendered(seed=1, train=64, validation=16, calibration=32, test=48, width=64, height=64)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def first(home: Home, database: str, dataset: Dataset) -> Outcome:
    return train(home, database, dataset)


def train(home: Home, uri: str, dataset: Dataset | None, **choices: Any) -> Outcome:
    settings = Settings(**{"model": SHAPES, "quick": True, "epochs": 1, "register": True, **choices})
    return run(settings, home=home, tracking_uri=uri, reporter=Lines(io.StringIO()), dataset=dataset)


def evaluation(home: Home, version: str) -> Evaluation:
    return parse_evaluation(home.versions().verify(SHAPES, Version(version), home.trust()).read(EVALUATION))


def test_a_run_publishes_a_version_that_verifies_and_says_where_it_comes_from(
    home: Home, dataset: Dataset, first: Outcome
) -> None:
    verified = home.versions().verify(SHAPES, Version("1"), home.trust())
    card = parse_card(verified.read(CARD))
    assert (first.version, first.digest) == ("1", verified.digest)
    assert (card.lineage.run_id, card.lineage.data_digest) == (first.run_id, dataset.digest)
    assert card.metrics.accuracy == first.accuracy


def test_the_evaluation_is_of_the_test_images_and_agrees_with_the_card(
    home: Home, dataset: Dataset, first: Outcome
) -> None:
    found = evaluation(home, "1")
    assert tuple(image.id for image in found.images) == dataset.test.ids
    assert found.baseline is None
    assert sum(image.fp32 == image.label for image in found.images) / len(found.images) == first.accuracy


def test_a_continued_version_is_compared_with_its_baseline_on_the_same_images(
    home: Home, database: str, dataset: Dataset, first: Outcome
) -> None:
    second = train(home, database, dataset, resume="latest", baseline=Version("1"))
    before, after = evaluation(home, "1"), evaluation(home, "2")
    assert after.baseline is not None
    assert (second.version, after.baseline.version, after.baseline.digest) == ("2", "1", first.digest)
    assert after.baseline.classes == tuple(image.fp32 for image in before.images)


def test_without_the_images_to_measure_int8_there_is_none_and_the_run_says_so(
    home: Home, database: str, first: Outcome
) -> None:
    from mlflow import MlflowClient

    assert first.int8 == "not offered: 48 test images, wanted at least 10000 to measure what it costs"
    assert MlflowClient(database).get_run(first.run_id).data.tags["int8"] == first.int8
    assert list(parse_card(home.versions().verify(SHAPES, Version("1"), home.trust()).read(CARD)).variants) == ["fp32"]


def test_a_server_that_dies_after_the_first_epoch_costs_no_version(
    dying_server: Any, dataset: Dataset, tmp_path: Path
) -> None:
    outcome = train(Home(tmp_path), dying_server.url, dataset)
    assert Home(tmp_path).versions().versions(SHAPES) == ("1",)
    assert outcome.kept is not None
    assert (outcome.kept / "model.keras").exists()
    assert (outcome.kept / "artifacts" / "confusion_matrix.png").exists()
    with pytest.raises(NotTracked, match="kept in"):
        outcome.require_tracked()


def test_a_run_that_was_killed_after_its_fit_does_not_fit_again_and_leaves_no_checkpoint(
    home: Home, database: str, dataset: Dataset, first: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    choices = {"register": False, "checkpoint": tmp_path / "fit"}
    with monkeypatch.context() as patched:
        patched.setattr("training.run.finish", killed)
        with pytest.raises(KeyboardInterrupt):
            train(home, database, dataset, **choices)
    assert list((tmp_path / "fit").iterdir()) == [tmp_path / "fit" / "fit.npz"]
    monkeypatch.setattr("training.fit.batches", killed)
    assert train(home, database, dataset, **choices).accuracy == first.accuracy
    assert not (tmp_path / "fit").exists()


def test_a_version_that_exists_is_refused_before_anything_else_happens(home: Home, first: Outcome) -> None:
    with pytest.raises(Refused, match="shapes 1: exists already"):
        train(home, "http://127.0.0.1:1", None, version=Version("1"))


def test_a_baseline_that_does_not_exist_is_named_before_anything_else_happens(home: Home, first: Outcome) -> None:
    with pytest.raises(NotFound, match="shapes 9"):
        train(home, "http://127.0.0.1:1", None, baseline=Version("9"))


def test_images_of_the_wrong_size_are_refused(home: Home, database: str, dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="64 × 64 pixels, wanted 224 × 224"):
        train(home, database, dataset, model_type=ModelType.EFFICIENTNET_B0)


def test_a_registration_that_a_kill_left_out_is_made_up_for_by_the_same_command(
    home: Home, database: str, first: Outcome
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(database, registry_uri=database)
    query = f"run_id='{first.run_id}'"
    for left in client.search_model_versions(query):
        client.delete_model_version(left.name, left.version)
    with pytest.raises(Refused):
        train(home, database, None, version=Version("1"))
    assert [made.tags for made in client.search_model_versions(query)] == [{"version": "1", "digest": first.digest}]
