"""KServe's v2 protocol over REST (the Open Inference Protocol), in JSON and with its binary tensor data extension.

A tensor's raw bytes stand behind the JSON; a header says how long the JSON is, and a parameter of the tensor how many
bytes are its own. Files in JSON are base64.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from predictor.errors import BadRequest
from predictor.imagefile import from_base64
from predictor.jsontext import Array, Document, Object, array, dumps, fields, kind, parse, scalars, shown
from predictor.pixels import is_flat, nested, numbers, pixels
from predictor.query import OUTPUTS, Body, Form, Image, Limits, Pixels, Predictions, Query
from predictor.served import Served
from predictor.tensors import (
    MAX_RANK,
    named_datatype,
    output_bytes,
    output_datatype,
    output_shape,
    output_values,
    raw_images,
    tensor_size,
    wanted_outputs,
)

JSON_LENGTH = b"inference-header-content-length"


class V2:
    """`/infer`. Output tensors are raw when the request or the output says so; the output has the last word."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes], limits: Limits) -> Query:
        """The images, wanted outputs and id; raises BadRequest."""
        text, behind = _split(body, headers.get(JSON_LENGTH))
        document = parse(text)
        document.check_depth(limits.depth)
        members = fields(document.root, "body", ("inputs", "outputs", "id", "parameters"))
        outputs, binary = _outputs(members.get("outputs"), scalars(members.get("parameters"), "parameters"))
        return Query(_images(document, members, behind, limits), _id(members.get("id")), outputs, binary)

    def write(self, query: Query, predictions: Predictions, served: Served) -> Body:
        """The answer; version and digest are in its parameters."""
        count = len(predictions.winners)
        outputs, raw = [], []
        for name in query.outputs:
            output: dict[str, Any] = {
                "name": name,
                "datatype": output_datatype(name),
                "shape": output_shape(name, count, served),
            }
            if name in query.binary:
                raw.append(output_bytes(name, predictions, served))
                output["parameters"] = {"binary_data_size": len(raw[-1])}
            else:
                output["data"] = output_values(name, predictions, served)
            outputs.append(output)
        text = dumps(
            {
                "model_name": served.model,
                "model_version": served.version,
                **({"id": query.id} if query.id else {}),
                "parameters": {"version": served.version, "digest": served.digest},
                "outputs": outputs,
            }
        )
        if not raw:
            return Body(text)
        return Body(b"".join((text, *raw)), b"application/octet-stream", len(text))


def _split(body: bytes, length: bytes | None) -> tuple[bytes, memoryview]:
    """The JSON and the raw bytes behind it."""
    if length is None:
        return body, memoryview(b"")
    if not (length.isdigit() and len(length) <= 10 and int(length) <= len(body)):
        raise BadRequest(
            f"Inference-Header-Content-Length: found {shown(length.decode('latin-1'))}, "
            f"wanted the length of the JSON in a body of {len(body)} bytes"
        )
    return body[: int(length)], memoryview(body)[int(length) :]


def _images(
    document: Document, members: Mapping[str, Any], behind: memoryview, limits: Limits
) -> Sequence[Image] | Pixels:
    tensor = _tensor(members.get("inputs"))
    datatype = named_datatype(tensor.get("datatype"))
    size = tensor_size(datatype, _listed(tensor.get("shape")), limits)
    parameters = scalars(tensor.get("parameters"), "inputs[0].parameters")
    declared = parameters.get("binary_data_size", 0)
    if type(declared) is not int or declared != len(behind):
        raise BadRequest(f"body: found {len(behind)} bytes behind the JSON, wanted binary_data_size {shown(declared)}")
    if ("binary_data_size" in parameters) == ("data" in tensor):
        found = "both data and" if "data" in tensor else "neither data nor"
        raise BadRequest(f"inputs[0]: found {found} binary_data_size, wanted one of them")
    if "data" not in tensor:
        return raw_images(datatype, size, behind)
    data = array(tensor["data"], "inputs[0].data", "a list")
    if datatype == "BYTES":
        return _files(data, size[0])
    whole = datatype == "UINT8"
    # Flat numbers leave no other lists in the text than these.
    known = 3 + (type(members.get("outputs")) is Array)
    if document.skeleton().count(b"[") == known or is_flat(data):
        return pixels(numbers(data, "inputs[0].data", size), "inputs[0].data", size, whole=whole)
    return nested(data, "inputs[0].data", size, whole=whole)


def _tensor(inputs: object) -> Mapping[str, Any]:
    """The members of the one input tensor."""
    if type(inputs) is not Array or len(inputs) != 1:
        found = f"{len(inputs)} tensors" if type(inputs) is Array else kind(inputs)
        raise BadRequest(f"inputs: found {found}, wanted a list of one tensor")
    tensor = fields(inputs[0], "inputs[0]", ("name", "datatype", "shape", "data", "parameters"))
    if type(tensor.get("name")) is not str:
        raise BadRequest(f"inputs[0].name: found {kind(tensor.get('name'))}, wanted a string")
    return tensor


def _files(data: Array, count: int) -> list[bytes]:
    """Files in base64, each bare or in a list of its own."""
    if len(data) != count:
        raise BadRequest(f"inputs[0].data: found {len(data)} items, wanted {count} as the shape says")
    items = [item[0] if type(item) is Array and len(item) == 1 else item for item in data]
    return [from_base64(item, f"inputs[0].data[{index}]") for index, item in enumerate(items)]


def _listed(shape: object) -> object:
    """A short list as Python has it, what is inside of it named; anything else as it is."""
    if type(shape) is not Array or len(shape) > MAX_RANK:
        return shape
    return [kind(item) if type(item) in (Array, Object) else item for item in shape]


def _outputs(requested: object, parameters: Mapping[str, Any]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names of the wanted outputs, and of those that are to be raw."""
    binary = _flag(parameters.get("binary_data_output", False), "parameters.binary_data_output")
    if requested is None:
        return OUTPUTS, frozenset(OUTPUTS if binary else ())
    items = array(requested, "outputs", "a list of tensors")
    if len(items) > len(OUTPUTS):
        raise BadRequest(f"outputs: found {len(items)} tensors, wanted names among {', '.join(OUTPUTS)}")
    flags: list[tuple[object, bool]] = []
    for index, item in enumerate(items):
        where = f"outputs[{index}]"
        output = fields(item, where, ("name", "parameters"))
        own = scalars(output.get("parameters"), f"{where}.parameters").get("binary_data", binary)
        flags.append((output.get("name"), _flag(own, f"{where}.parameters.binary_data")))
    names = wanted_outputs([name for name, _ in flags])
    return names, frozenset(str(name) for name, raw in flags if raw) if flags else frozenset(OUTPUTS if binary else ())


def _flag(value: object, where: str) -> bool:
    if type(value) is not bool:
        raise BadRequest(f"{where}: found {kind(value)}, wanted true or false")
    return value


def _id(value: object) -> str:
    if value is not None and type(value) is not str:
        raise BadRequest(f"id: found {kind(value)}, wanted a string")
    return value or ""


FORM: Form = V2()
