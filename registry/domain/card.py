"""`card.json`: what a version says of itself. Written by training, read by predictor, checklist, judge and drift."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from registry.domain.documents import Fields, canonical_bytes
from registry.domain.errors import InvalidDocument
from registry.domain.version import Model, Version, model_name, version_name

CARD = "card.json"
SCHEMA = 1
CONFIDENCE_BINS = 20
FEATURE_BUCKETS = 12
"""Of a feature's histogram, at most: every bucket is a series of every pod."""
DTYPES = ("uint8", "float32")

Edges = tuple[float, ...]
Histogram = tuple[Edges, tuple[int, ...]]
"""Rising edges (n + 1) and counts (n). Bucket i holds what is above edge i and at most edge i + 1; what lies beyond the
outer edges belongs to the outer buckets all the same."""


@dataclass(frozen=True)
class InputSpec:
    """One image as the graph takes it: height × width × channels of `dtype`, values 0–255 (scaling is in the graph)."""

    width: int
    height: int
    channels: int = 3
    dtype: str = "uint8"


@dataclass(frozen=True)
class Metrics:
    """On the test split, as fractions: accuracy, expected calibration error (15 equal-mass bins), recall per class."""

    accuracy: float
    ece: float
    per_class: Mapping[str, float]


@dataclass(frozen=True)
class Reference:
    """Held-out behaviour that drift is measured against.

    classes: predicted images per class, in the order of the card's classes. confidence: counts of the top probability
    in 20 bins of .05. features: of those in `domain.features`.
    """

    classes: tuple[int, ...]
    confidence: tuple[int, ...]
    features: Mapping[str, Histogram] = field(default_factory=dict)


@dataclass(frozen=True)
class Slo:
    """availability: fraction of answers that are no server error. latency: `objective` of answers within `seconds`."""

    availability: float = 0.999
    latency_seconds: float = 0.1
    latency_objective: float = 0.99


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from: MLflow run, digest of the training data, version of the code."""

    run_id: str
    data_digest: str
    code_version: str


@dataclass(frozen=True)
class Card:
    """The whole card. `low_confidence`: held-out 5 % quantile of the top probability. `slo`: None leaves it to the
    policy. `variants`: name → file and what was measured of it: of fp32 `parity`, the largest difference of a
    probability to Keras; of int8 `gate`, the upper 95 % bound of the accuracy it loses, `images`, on how many, and
    `ece`."""

    model: Model
    version: Version
    classes: tuple[str, ...]
    input: InputSpec
    metrics: Metrics
    reference: Reference
    low_confidence: float
    slo: Slo | None
    variants: Mapping[str, Mapping[str, Any]]
    lineage: Lineage

    def content(self) -> bytes:
        """The bytes of `card.json`."""
        return canonical_bytes(
            {
                "schema": SCHEMA,
                "model": self.model,
                "version": self.version,
                "classes": list(self.classes),
                "input": {
                    "width": self.input.width,
                    "height": self.input.height,
                    "channels": self.input.channels,
                    "dtype": self.input.dtype,
                },
                "metrics": {
                    "accuracy": self.metrics.accuracy,
                    "ece": self.metrics.ece,
                    "per_class": dict(self.metrics.per_class),
                },
                "reference": {
                    "classes": list(self.reference.classes),
                    "confidence": list(self.reference.confidence),
                    "features": {
                        name: {"edges": list(edges), "counts": list(counts)}
                        for name, (edges, counts) in self.reference.features.items()
                    },
                },
                "low_confidence": self.low_confidence,
                "slo": self.slo
                and {
                    "availability": self.slo.availability,
                    "latency": {"seconds": self.slo.latency_seconds, "objective": self.slo.latency_objective},
                },
                "variants": {name: dict(variant) for name, variant in self.variants.items()},
                "lineage": {
                    "run_id": self.lineage.run_id,
                    "data_digest": self.lineage.data_digest,
                    "code_version": self.lineage.code_version,
                },
            }
        )

    def file(self, variant: str) -> str:
        """File name of a variant, such as `model.tflite` for `fp32`; raises InvalidDocument when there is none."""
        if variant not in self.variants:
            raise InvalidDocument(f"{CARD}: no variant {variant!r}; there are {', '.join(self.variants)}")
        return str(self.variants[variant]["file"])


def parse_card(content: bytes) -> Card:
    """Read `card.json`; raises InvalidDocument or InvalidName."""
    fields = Fields.parse(content, CARD)
    fields.schema(SCHEMA)
    classes = fields.texts("classes")
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise InvalidDocument(f"{CARD}: classes are {classes}, wanted at least two different names")
    return Card(
        model=model_name(fields.text("model")),
        version=version_name(fields.text("version")),
        classes=classes,
        input=_input(fields.object("input")),
        metrics=_metrics(fields.object("metrics")),
        reference=_reference(fields.object("reference"), len(classes)),
        low_confidence=fields.number("low_confidence", minimum=0, maximum=1),
        slo=_slo(fields.object("slo")) if fields.has("slo") else None,
        variants=_variants(fields.object("variants")),
        lineage=_lineage(fields.object("lineage")),
    )


def _input(fields: Fields) -> InputSpec:
    spec = InputSpec(
        width=fields.integer("width", minimum=1),
        height=fields.integer("height", minimum=1),
        channels=fields.integer("channels", minimum=1),
        dtype=fields.text("dtype"),
    )
    if spec.channels != 3 or spec.dtype not in DTYPES:
        raise InvalidDocument(f"{CARD}: input is {spec}, wanted 3 channels of {' or '.join(DTYPES)}")
    return spec


def _metrics(fields: Fields) -> Metrics:
    per_class = fields.object("per_class")
    return Metrics(
        accuracy=fields.number("accuracy", minimum=0, maximum=1),
        ece=fields.number("ece", minimum=0, maximum=1),
        per_class={name: per_class.number(name, minimum=0, maximum=1) for name in per_class},
    )


def _reference(fields: Fields, classes: int) -> Reference:
    features = fields.object("features")
    reference = Reference(
        classes=fields.integers("classes"),
        confidence=fields.integers("confidence"),
        features={name: _histogram(name, features.object(name)) for name in features},
    )
    if len(reference.classes) != classes or len(reference.confidence) != CONFIDENCE_BINS:
        raise InvalidDocument(
            f"{CARD}: reference has {len(reference.classes)} classes and {len(reference.confidence)} confidence bins, "
            f"wanted {classes} and {CONFIDENCE_BINS}"
        )
    if min(*reference.classes, *reference.confidence) < 0:
        raise InvalidDocument(f"{CARD}: reference counts images below 0, wanted counts")
    return reference


def _histogram(name: str, fields: Fields) -> Histogram:
    edges, counts = fields.numbers("edges"), fields.integers("counts")
    rising = all(low < high for low, high in pairwise(edges))
    if not (rising and 1 <= len(counts) <= FEATURE_BUCKETS and len(edges) == len(counts) + 1 and min(counts) >= 0):
        raise InvalidDocument(
            f"{CARD}: reference feature {name} has edges {edges} and counts {counts}, "
            f"wanted 1 to {FEATURE_BUCKETS} counts between rising edges"
        )
    return edges, counts


def _slo(fields: Fields) -> Slo:
    latency = fields.object("latency")
    return Slo(
        availability=fields.number("availability", minimum=0, maximum=1),
        latency_seconds=latency.number("seconds", minimum=0),
        latency_objective=latency.number("objective", minimum=0, maximum=1),
    )


def _variants(fields: Fields) -> Mapping[str, Mapping[str, Any]]:
    variants: dict[str, dict[str, Any]] = {}
    for name in fields:
        variant = fields.object(name)
        variants[name] = {"file": variant.text("file")}
        for measure in ("parity", "gate", "ece"):
            if variant.has(measure):
                variants[name][measure] = variant.number(measure)
        if variant.has("images"):
            variants[name]["images"] = variant.integer("images", minimum=1)
    if "fp32" not in variants:
        raise InvalidDocument(f"{CARD}: variants are {', '.join(variants) or 'none'}, wanted fp32 among them")
    return variants


def _lineage(fields: Fields) -> Lineage:
    return Lineage(fields.text("run_id"), fields.text("data_digest"), fields.text("code_version"))
