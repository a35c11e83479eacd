from dataclasses import replace
from pathlib import Path

import pytest

from predictor.served import open_version
from registry.domain.card import CARD
from registry.domain.errors import NotFound, NotVerified
from registry.domain.version import Model
from registry.store.versions import VersionStore
from tests.fixtures.versions import CLASSES, CREATED, NET, card, publish_tiny, signing_key


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """An installation of its own, to be damaged."""
    publish_tiny(tmp_path)
    return tmp_path / "store/models/shapes/1"


def test_a_verified_version_is_what_was_signed(home: Path) -> None:
    served = open_version(home / "store/models/shapes/1", home / "keys/trust.json", model="shapes", digest=None)
    assert (served.model, served.version, served.classes) == ("shapes", "1", CLASSES)
    assert (served.variant, served.net) == ("fp32", NET.read_bytes())
    assert open_version(home / "store/models/shapes/1", home / "keys", model=None, digest=served.digest) == served


@pytest.mark.parametrize("file", ["model.tflite", "card.json", "evaluation.json", "manifest.json", "manifest.sig"])
def test_one_changed_byte_names_the_file(own: Path, file: str) -> None:
    content = bytearray((own / file).read_bytes())
    content[len(content) // 2] ^= 1
    (own / file).write_bytes(content)
    with pytest.raises(NotVerified, match=file.replace("manifest.sig", r"manifest\.(sig|json)")):
        open_version(own, own.parents[3] / "keys", model=None, digest=None)


@pytest.mark.parametrize(
    ("model", "digest", "words"),
    [("circles", None, "is model shapes, --model_name wants circles"), (None, "0" * 64, "MODEL_DIGEST wants 0000")],
)
def test_another_model_or_digest_than_insisted_on_is_refused(
    home: Path, model: str | None, digest: str | None, words: str
) -> None:
    with pytest.raises(NotVerified, match=words):
        open_version(home / "store/models/shapes/1", home / "keys", model=model, digest=digest)


def test_a_key_that_is_not_trusted_is_refused(home: Path, own: Path) -> None:
    with pytest.raises(NotVerified, match="not trusted"):
        open_version(own, home / "keys", model=None, digest=None)


def test_without_trust_nothing_is_opened(home: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no trust list"):
        open_version(home / "store/models/shapes/1", tmp_path / "trust.json", model=None, digest=None)


def test_a_directory_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(NotVerified, match="shapes/9: no such directory"):
        open_version(home / "store/models/shapes/9", home / "keys", model=None, digest=None)


def test_the_variant_that_is_asked_for_answers(tmp_path: Path) -> None:
    variants = {"fp32": {"file": "model.tflite"}, "int8": {"file": "model.int8.tflite", "gate": 0.001}}
    shapes, nets = Model("shapes"), {"model.tflite": b"fp32", "model.int8.tflite": b"int8"}
    VersionStore(tmp_path / "store").publish(
        shapes,
        None,
        lambda chosen: {CARD: replace(card(shapes, chosen, CLASSES, 0.9, 0.5), variants=variants).content(), **nets},
        key=signing_key(tmp_path),
        created=CREATED,
    )
    for variant in variants:
        found = open_version(
            tmp_path / "store/models/shapes/1", tmp_path / "keys", model=None, digest=None, variant=variant
        )
        assert (found.variant, found.net) == (variant, variant.encode())


@pytest.mark.parametrize("variant", ["int8", "bf16", ""])
def test_a_variant_that_is_not_offered_is_refused_with_those_that_are(home: Path, variant: str) -> None:
    with pytest.raises(NotVerified, match=rf"shapes/1: offers fp32, --variant wants {variant}$"):
        open_version(home / "store/models/shapes/1", home / "keys", model=None, digest=None, variant=variant)
