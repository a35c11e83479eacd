"""What a version says of itself."""

import json
from typing import Any

import pytest

from registry.domain.card import Card, InputSpec, Lineage, Metrics, Reference, Slo, parse_card
from registry.domain.errors import InvalidDocument, InvalidName
from registry.domain.version import Model, Version

CARD = Card(
    model=Model("shapes"),
    version=Version("3"),
    classes=("circle", "square"),
    input=InputSpec(64, 64),
    metrics=Metrics(0.97, 0.01, {"circle": 0.98, "square": 0.96}),
    reference=Reference((10, 12), (1,) * 20, {"brightness": ((0.0, 0.5, 1.0), (10, 12))}),
    low_confidence=0.6,
    slo=Slo(),
    variants={
        "fp32": {"file": "model.tflite", "parity": 1e-6},
        "int8": {"file": "model.int8.tflite", "gate": -0.002, "images": 10_000, "ece": 0.004},
    },
    lineage=Lineage("run", "data", "code"),
)


def changed(section: str, key: str | None, value: object) -> bytes:
    document: dict[str, Any] = json.loads(CARD.content())
    if key is None:
        document[section] = value
    else:
        document[section][key] = value
    return json.dumps(document).encode()


def test_a_card_survives_its_bytes() -> None:
    assert parse_card(CARD.content()) == CARD
    assert parse_card(CARD.content()).content() == CARD.content()


def test_a_variant_has_a_file() -> None:
    assert CARD.file("int8") == "model.int8.tflite"
    with pytest.raises(InvalidDocument, match="no variant 'fp16'; there are fp32, int8"):
        CARD.file("fp16")


BROKEN: list[tuple[list[float], list[int]]] = [
    ([0, 1, 1], [1, 2]),
    ([0, 2, 1], [1, 2]),
    ([0, 1, 2], [1, 2, 3]),
    ([0, 1], [-1]),
    ([0], []),
    (list(range(14)), [1] * 13),
]


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("schema", None, 2, "schema is 2"),
        ("classes", None, ["circle"], "at least two"),
        ("classes", None, ["circle", "circle"], "different"),
        ("input", "channels", 1, "3 channels"),
        ("input", "dtype", "int64", "uint8 or float32"),
        ("metrics", "accuracy", 1.5, "accuracy is 1.5"),
        ("metrics", "per_class", {"circle": -1}, "circle is -1"),
        ("reference", "classes", [1, 2, 3], "wanted 2"),
        ("reference", "confidence", [1] * 19, "19 confidence bins"),
        ("reference", "confidence", [-1] + [1] * 19, "below 0"),
        ("reference", "features", {"brightness": {"edges": [0, 1]}}, "counts is missing"),
        *(
            ("reference", "features", {"brightness": {"edges": edges, "counts": counts}}, "brightness has edges")
            for edges, counts in BROKEN
        ),
        ("low_confidence", None, 2, "low_confidence is 2"),
        ("slo", "availability", "high", "availability is 'high'"),
        ("variants", "fp32", {}, "file is missing"),
        ("variants", None, {}, "wanted fp32"),
        ("variants", "int8", {"file": "x", "images": 1.5}, "images is 1.5"),
        ("lineage", "run_id", None, "run_id is None"),
    ],
)
def test_a_wrong_field_is_named(section: str, key: str | None, value: object, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        parse_card(changed(section, key, value))


def test_a_model_that_is_no_name_is_refused() -> None:
    with pytest.raises(InvalidName, match=r"\.\./x"):
        parse_card(changed("model", None, "../x"))
