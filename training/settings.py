"""What one training run is asked for, and how much work each kind of run does."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from registry.domain.version import Model, Version

LATEST = "latest"


class ModelType(StrEnum):
    """The networks that can be trained."""

    CUSTOM = "custom"
    EFFICIENTNET_B0 = "efficientnet_b0"


@dataclass(frozen=True)
class Effort:
    """Rendered images per split, passes over the training split, images per step and the highest learning rate.

    resumed_epochs: passes when an earlier version is continued.
    """

    train: int
    validation: int
    calibration: int
    test: int
    epochs: int
    batch: int
    learning_rate: float
    resumed_epochs: int


EFFORTS: dict[tuple[ModelType, bool], Effort] = {
    # Chosen for two cores: a full run in under 15 minutes with rendering, a quick one in under 60 seconds.
    # 16,000 test images have 1,600 hard ones: with fewer, chance alone makes a calibration error of .03 among them.
    (ModelType.CUSTOM, False): Effort(28_000, 2_000, 4_000, 16_000, 10, 64, 1.5e-3, 4),
    (ModelType.CUSTOM, True): Effort(8_000, 500, 800, 4_000, 5, 64, 5e-3, 4),
    # An image of 224 × 224 takes 150 kB.
    (ModelType.EFFICIENTNET_B0, False): Effort(3_000, 300, 600, 1_000, 10, 16, 1e-3, 5),
    (ModelType.EFFICIENTNET_B0, True): Effort(600, 100, 200, 400, 1, 16, 1e-3, 1),
}


@dataclass(frozen=True)
class Settings:
    """One run.

    epochs and seed: None takes the effort's epochs, and seed 1 (continuing a run: the next one, for images it has not
    seen). data: a folder of class-named folders instead of rendered shapes. weights: Keras weights file to begin with.
    version: None takes the next free number. baseline: the version to evaluate on the same images; None takes the one
    in production. resume: a version, or `latest`. checkpoint: folder where each epoch is kept for a run that starts
    again; it changes nothing about the outcome.
    """

    model: Model
    model_type: ModelType = ModelType.CUSTOM
    quick: bool = False
    epochs: int | None = None
    seed: int | None = None
    data: Path | None = None
    skip_unreadable: bool = False
    weights: Path | None = None
    register: bool = False
    version: Version | None = None
    baseline: Version | None = None
    resume: str | None = None
    checkpoint: Path | None = None

    @property
    def effort(self) -> Effort:
        return EFFORTS[self.model_type, self.quick]
