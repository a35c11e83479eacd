"""KServe's v1 protocol: `{"instances": […]}`, or one image file as the body."""

from collections.abc import Mapping
from typing import Any

from predictor.imagefile import is_file
from predictor.instances import lone_file, read_images
from predictor.jsontext import array, dumps, fields, parse
from predictor.query import Body, Form, Limits, Predictions, Query
from predictor.served import Served


class V1:
    """`:predict`. JSON is read whatever the content type says, as curl sends it by default."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes], limits: Limits) -> Query:
        """The images; raises BadRequest."""
        if is_file(body, headers):
            return Query((body,))
        lone = lone_file(body)
        if lone is not None:
            return Query([lone])
        document = parse(body)
        instances = fields(document.root, "body", ("instances",)).get("instances")
        return Query(read_images(document, array(instances, "instances", "a list of images"), "instances", limits))

    def write(self, query: Query, predictions: Predictions, served: Served) -> Body:  # noqa: ARG002 (v1 echoes nothing)
        """`{"predictions": […], "model_version", "model_digest"}`."""
        return Body(
            dumps(
                {
                    "predictions": named(predictions, served.classes),
                    "model_version": served.version,
                    "model_digest": served.digest,
                }
            )
        )


def named(predictions: Predictions, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Per image its class, confidence, and probabilities by class."""
    return [
        {"class": classes[winner], "confidence": confidence, "probabilities": dict(zip(classes, row, strict=True))}
        for winner, confidence, row in zip(predictions.winners, predictions.confidence, predictions.rows, strict=True)
    ]


FORM: Form = V1()
