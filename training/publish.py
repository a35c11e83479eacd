"""From what was trained and measured to a signed version in the store."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np

from predictor.image import Pixels
from registry.domain.card import CARD, Card, InputSpec, Lineage, Slo, parse_card
from registry.domain.errors import NotFound, Refused
from registry.domain.evaluation import EVALUATION, Baseline, EvaluatedImage, Evaluation
from registry.domain.fold import fold
from registry.domain.manifest import Manifest
from registry.domain.state import State
from registry.domain.version import Model, Version
from registry.store.home import Home
from registry.store.keys import SigningKey, generate_key, load_signing_key
from registry.store.versions import VerifiedVersion
from training.evaluate import Report
from training.export import input_side, litert_probabilities
from training.int8 import Int8
from training.settings import ModelType
from training.split import Split

MODEL_FILE, INT8_FILE = "model.tflite", "model.int8.tflite"
LATENCY = {ModelType.CUSTOM: 0.1, ModelType.EFFICIENTNET_B0: 0.5}
"""Seconds within which 99 % of answers shall come."""
_BASELINE_BATCH = 64


@dataclass(frozen=True)
class Candidate:
    """All that a version is made of, but its number. side: pixels of the input. parity: largest difference to Keras.
    int8: None where it is not offered."""

    model: Model
    model_type: ModelType
    litert: bytes
    side: int
    parity: float
    report: Report
    test: Split
    baseline: Baseline | None
    lineage: Lineage
    int8: Int8 | None = None

    def card(self, version: Version) -> Card:
        """`card.json` as version `version`."""
        return Card(
            model=self.model,
            version=version,
            classes=self.report.classes,
            input=InputSpec(self.side, self.side),
            metrics=self.report.metrics(),
            reference=self.report.reference(self.test.features()),
            low_confidence=self.report.low_confidence,
            slo=Slo(latency_seconds=LATENCY[self.model_type]),
            variants=self._variants(),
            lineage=self.lineage,
        )

    def evaluation(self) -> Evaluation:
        """`evaluation.json`."""
        names = np.array(self.report.classes)
        fp32 = names[self.report.predicted].tolist()
        int8 = names[self.int8.predicted].tolist() if self.int8 else [None] * len(fp32)
        images = zip(self.test.ids, names[self.test.labels].tolist(), fp32, int8, strict=True)
        return Evaluation(
            test_digest=self.test.digest,
            images=tuple(EvaluatedImage(*image) for image in images),
            baseline=self.baseline,
        )

    def nets(self) -> Mapping[str, bytes]:
        """The .tflite files."""
        return {MODEL_FILE: self.litert, **({INT8_FILE: self.int8.content} if self.int8 else {})}

    def _variants(self) -> Mapping[str, Mapping[str, Any]]:
        variants: dict[str, Mapping[str, Any]] = {"fp32": {"file": MODEL_FILE, "parity": self.parity}}
        if self.int8 is not None:
            found = self.int8.comparison
            variants["int8"] = {"file": INT8_FILE, "gate": found.bound, "images": found.images, "ece": found.ece}
        return variants


def publish(
    candidate: Candidate, version: Version | None, *, home: Home, key: SigningKey, created: datetime
) -> Manifest:
    """Sign and store; whole or absent at any kill. Raises Conflict when another publisher took `version` meanwhile."""
    evaluation = candidate.evaluation().content()

    def render(chosen: Version) -> Mapping[str, bytes]:
        return {CARD: candidate.card(chosen).content(), EVALUATION: evaluation, **candidate.nets()}

    taken = recorded(home, candidate.model).versions
    return home.versions().publish(candidate.model, version, render, key=key, created=created, taken=taken)


def require_free(home: Home, model: Model, version: Version) -> None:
    """Raise Refused when the version exists, before hours are spent on it."""
    existing = tuple(dict.fromkeys((*recorded(home, model).versions, *home.versions().versions(model))))
    if version in existing:
        raise Refused(
            f"{model} {version}: exists already and a version never changes; "
            f"there are {', '.join(existing)}; take another --model-version, or none for the next free number"
        )


def recorded(home: Home, model: Model) -> State:
    """The model as its journal tells it."""
    return fold(model, home.journal_of(model).read())


def signing_key(home: Home, say: Callable[[str], None]) -> SigningKey:
    """The installation's signing key; the first run makes it and says so."""
    try:
        return load_signing_key(home.keys)
    except NotFound:
        key = generate_key(home.keys)
        say(f"no signing key yet: made {key.keyid} in {home.keys}")
        return key


def read_card(verified: VerifiedVersion) -> Card:
    """The card of a verified version."""
    return parse_card(verified.read(CARD))


def baseline_on(verified: VerifiedVersion, test: Split, *, other_size: Callable[[int, int], Pixels]) -> Baseline:
    """What a published version predicts for the test images. other_size: the same images for another input size."""
    card = read_card(verified)
    content = verified.read(card.file("fp32"))
    size = input_side(content)
    images = test.images if size == (test.images.shape[2], test.images.shape[1]) else other_size(*size)
    predicted = litert_probabilities(content, images, batch=_BASELINE_BATCH).argmax(axis=1)
    classes = np.array(card.classes)[predicted]
    return Baseline(card.version, verified.digest, tuple(classes.tolist()))


def code_version(directory: Path) -> str:
    """The git commit of the checkout around `directory` (`-dirty` when files differ), else the package's version."""
    try:
        told = subprocess.run(  # noqa: S603  # fixed arguments
            ["git", "-C", str(directory), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607  # git from PATH
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return told.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return installed_version("ml-geometry")
