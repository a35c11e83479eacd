"""The description of the HTTP API (OpenAPI 3.1), made for the served model: what `/docs` shows."""

from typing import Any

from predictor.served import Served

_ONE = "An image file (PNG, JPEG, WEBP, BMP, GIF) in base64"
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")


def description(served: Served) -> dict[str, Any]:
    """The whole document."""
    model = f"/v1/models/{served.model}", f"/v2/models/{served.model}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{served.model} {served.version}",
            "version": served.version,
            "description": f"Classes: {', '.join(served.classes)}. Digest: {served.digest}.",
        },
        "paths": {
            f"{model[0]}:predict": {"post": _prediction("KServe v1", _v1_body(), _ref("V1Answer"))},
            f"{model[1]}/infer": {"post": _prediction("Open Inference Protocol", _v2_body(served), _ref("V2Answer"))},
            "/predict": {"post": _prediction("One image", _file_body("file", many=False), _ref("Prediction"))},
            "/predict/batch": {"post": _prediction("1 to 64 images", _file_body("files", many=True), _ref("Batch"))},
            model[0]: {"get": _reading("Readiness of the model (v1)")},
            model[1]: {"get": _reading("Inputs and outputs of the model")},
            f"{model[1]}/ready": {"get": _reading("Readiness of the model (v2)")},
            "/v2": {"get": _reading("The server and its extensions")},
            "/v2/health/live": {"get": _reading("Liveness")},
            "/v2/health/ready": {"get": _reading("Readiness", unready=True)},
            "/health": {"get": _reading("Readiness, with version and digest", unready=True)},
            "/metrics": {"get": _reading("Prometheus metrics of all processes", "text/plain")},
            "/metrics/summary": {"get": _reading("Counts per class, latency, confidence, errors")},
            "/outcomes": {"get": {**_reading("Latest answers, for pairing and labels"), "parameters": [_AFTER]}},
        },
        "components": {"schemas": _schemas(served)},
    }


_AFTER = {
    "name": "after",
    "in": "query",
    "description": "The cursor of the answer before; without it the oldest come first",
    "schema": {"type": "string"},
}


def _prediction(summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    refusals = {
        "400": "Not a request or an image that is taken",
        "408": "Not here in time",
        "413": "Over a limit",
        "503": "Overloaded or stopping: ask again after the seconds in Retry-After",
    }
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": {"schema": answer}}},
            **{status: _error(text) for status, text in refusals.items()},
        },
    }


def _reading(summary: str, content_type: str = "application/json", *, unready: bool = False) -> dict[str, Any]:
    responses = {"200": {"description": "The answer", "content": {content_type: {}}}}
    if unready:
        responses["503"] = {"description": "Stopping", "content": {content_type: {}}}
    return {"summary": summary, "responses": responses}


def _error(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}


def _v1_body() -> dict[str, Any]:
    return {
        "application/json": {"schema": _ref("V1Request")},
        **{name: {"schema": {"type": "string", "format": "binary"}} for name in _IMAGE_TYPES},
    }


def _v2_body(served: Served) -> dict[str, Any]:
    example = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["iVBORw0KGgo…"]}]}
    return {
        "application/json": {"schema": _ref("V2Request"), "example": example},
        "application/octet-stream": {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": f"JSON, then raw tensors: header Inference-Header-Content-Length. {_pixels(served)}",
            }
        },
    }


def _file_body(name: str, *, many: bool) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    part = {"type": "array", "items": file} if many else file
    key = ("images", {"type": "array", "items": _text(_ONE)}) if many else ("image", _text(_ONE))
    return {
        "multipart/form-data": {"schema": {"type": "object", "properties": {name: part}, "required": [name]}},
        "application/json": {"schema": {"type": "object", "properties": dict([key])}},
    }


def _schemas(served: Served) -> dict[str, Any]:
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    prediction = {
        "class": {"type": "string", "enum": list(served.classes)},
        "confidence": probability,
        "probabilities": {"type": "object", "properties": dict.fromkeys(served.classes, probability)},
    }
    who = {"version": _text("Version that answered"), "digest": _text("Its identity")}
    b64 = {"type": "object", "properties": {"b64": _text(_ONE)}, "required": ["b64"]}
    instance = {
        "oneOf": [
            _text(_ONE),
            {"type": "object", "properties": {"image_bytes": b64}, "required": ["image_bytes"]},
            {"type": "object", "properties": {"image": b64}, "required": ["image"]},
            {"type": "array", "description": _pixels(served)},
        ]
    }
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "datatype": {"type": "string", "enum": ["BYTES", "UINT8", "FP32"]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "parameters": {"type": "object"},
            "data": {"type": "array"},
        },
        "required": ["name", "datatype", "shape"],
    }
    answered = {"type": "array", "items": {"type": "object", "properties": prediction}}
    return {
        "V1Request": _object({"instances": {"type": "array", "items": instance, "minItems": 1}}, "instances"),
        "V1Answer": _object({"predictions": answered, **{f"model_{name}": text for name, text in who.items()}}),
        "V2Request": _object({"id": {"type": "string"}, "inputs": {"type": "array", "items": tensor}}, "inputs"),
        "V2Answer": _object({"model_name": _text(""), "model_version": _text(""), "outputs": {"type": "array"}}),
        "Prediction": _object({**prediction, "model": _text(""), **who}),
        "Batch": _object({"predictions": answered, "model": _text(""), **who}),
        "Error": _object({"error": _text("What was found and what was wanted")}, "error"),
    }


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _text(text: str) -> dict[str, Any]:
    return {"type": "string", **({"description": text} if text else {})}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _pixels(served: Served) -> str:
    spec = served.card.input
    return f"Pixels of one image: {spec.height} × {spec.width} × {spec.channels} numbers from 0 to 255"
