"""`evaluation.json`: what a version predicted for every test image, and what production predicted for the same ones.

Two versions can so be compared pair by pair, even when the training data changed in between.
"""

from dataclasses import dataclass

from registry.domain.documents import Fields, canonical_bytes
from registry.domain.errors import InvalidDocument

EVALUATION = "evaluation.json"
SCHEMA = 1


@dataclass(frozen=True)
class EvaluatedImage:
    """id: sha256 of the image's bytes (first 16 digits). label and fp32: class names."""

    id: str
    label: str
    fp32: str
    int8: str | None = None


@dataclass(frozen=True)
class Baseline:
    """The then production version's predicted class per image, in the order of `images`."""

    version: str
    digest: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """`test_digest`: sha256 over ids and labels of the test split, in order."""

    test_digest: str
    images: tuple[EvaluatedImage, ...]
    baseline: Baseline | None = None

    def content(self) -> bytes:
        """The bytes of `evaluation.json`."""
        images = [
            {"id": i.id, "label": i.label, "fp32": i.fp32, **({"int8": i.int8} if i.int8 is not None else {})}
            for i in self.images
        ]
        document: dict[str, object] = {"schema": SCHEMA, "test_digest": self.test_digest, "images": images}
        if self.baseline is not None:
            document["baseline"] = {
                "version": self.baseline.version,
                "digest": self.baseline.digest,
                "classes": list(self.baseline.classes),
            }
        return canonical_bytes(document)


def parse_evaluation(content: bytes) -> Evaluation:
    """Read `evaluation.json`; raises InvalidDocument."""
    fields = Fields.parse(content, EVALUATION)
    fields.schema(SCHEMA)
    images = tuple(
        EvaluatedImage(
            id=image.text("id"),
            label=image.text("label"),
            fp32=image.text("fp32"),
            int8=image.text("int8") if image.has("int8") else None,
        )
        for image in fields.objects("images")
    )
    baseline = _baseline(fields.object("baseline")) if fields.has("baseline") else None
    if baseline is not None and len(baseline.classes) != len(images):
        raise InvalidDocument(
            f"{EVALUATION}: baseline has {len(baseline.classes)} classes for {len(images)} images, wanted one each"
        )
    return Evaluation(fields.text("test_digest"), images, baseline)


def _baseline(fields: Fields) -> Baseline:
    return Baseline(fields.text("version"), fields.text("digest"), fields.texts("classes"))
