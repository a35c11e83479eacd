"""What a client was told, whatever protocol it speaks: every reader ends in the same value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADERS = ("x-model-version", "x-model-digest", "x-request-id")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """headers: of HTTP, or gRPC's initial metadata; None where a client hides them."""

    classes: list[str]
    confidence: list[float]
    probabilities: NDArray[np.float32]
    version: str
    digest: str
    id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] | None = None


def v1(document: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """`{"predictions": […], "model_version", "model_digest"}`."""
    return _listed(document["predictions"], document["model_version"], document["model_digest"], headers)


def plain(document: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """Of `/predict` or `/predict/batch`."""
    predictions = document.get("predictions", [document])
    return _listed(predictions, document["version"], document["digest"], headers)


def v2(document: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """v2 JSON."""
    outputs = {output["name"]: output for output in document["outputs"]}
    images, classes = outputs["probabilities"]["shape"]
    assert outputs["class"]["shape"] == outputs["confidence"]["shape"] == [images]
    assert [outputs[name]["datatype"] for name in ("class", "confidence", "probabilities")] == ["BYTES", "FP32", "FP32"]
    return Answer(
        classes=outputs["class"]["data"],
        confidence=outputs["confidence"]["data"],
        probabilities=np.array(outputs["probabilities"]["data"], np.float32).reshape(images, classes),
        version=document["model_version"],
        digest=document["parameters"]["digest"],
        id=document.get("id", ""),
        parameters=document["parameters"],
        headers=headers,
    )


def v2_binary(content: bytes, headers: Mapping[str, str]) -> Answer:
    """v2 with every output as raw bytes behind the JSON."""
    length = int(headers["inference-header-content-length"])
    document, rest = json.loads(content[:length]), content[length:]
    for output in document["outputs"]:
        assert "data" not in output
        size = output["parameters"]["binary_data_size"]
        raw, rest = rest[:size], rest[size:]
        output["data"] = texts(raw) if output["datatype"] == "BYTES" else np.frombuffer(raw, "<f4").tolist()
    assert not rest
    return v2(document, headers)


def grpc(message: Any, metadata: Mapping[str, str] | None) -> Answer:
    """A ModelInferResponse, with raw or typed contents."""
    raws = list(message.raw_output_contents) or [None] * len(message.outputs)
    values: dict[str, Any] = {}
    for output, raw in zip(message.outputs, raws, strict=True):
        if output.datatype == "BYTES":
            typed = [text.decode() for text in output.contents.bytes_contents]
            values[output.name] = typed if raw is None else texts(raw)
        else:
            values[output.name] = output.contents.fp32_contents if raw is None else np.frombuffer(raw, "<f4")
    classes = {output.name: output.shape for output in message.outputs}["probabilities"][1]
    return Answer(
        classes=values["class"],
        confidence=list(values["confidence"]),
        probabilities=np.array(values["probabilities"], np.float32).reshape(-1, classes),
        version=message.model_version,
        digest=message.parameters["digest"].string_param,
        id=message.id,
        headers=metadata,
    )


def texts(raw: bytes) -> list[str]:
    """Items of a raw BYTES tensor."""
    items = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        items.append(raw[4 : 4 + size].decode())
        raw = raw[4 + size :]
    return items


def framed(*items: bytes) -> bytes:
    """A raw BYTES tensor."""
    return b"".join(len(item).to_bytes(4, "little") + item for item in items)


def _listed(predictions: list[dict[str, Any]], version: str, digest: str, headers: Mapping[str, str]) -> Answer:
    return Answer(
        classes=[prediction["class"] for prediction in predictions],
        confidence=[prediction["confidence"] for prediction in predictions],
        probabilities=np.array([list(prediction["probabilities"].values()) for prediction in predictions], np.float32),
        version=version,
        digest=digest,
        headers=headers,
    )
