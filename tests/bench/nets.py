"""The nets that all servers of the benchmark run, and the pictures they are asked about: made once, kept by source.

Weights are random, from a seed: speed does not depend on what a net has learned. Run as a process of its own
(`python -m tests.bench.nets FOLDER`), so that TensorFlow is not in the one that measures.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from predictor.image import decode
from registry.domain.card import CARD, InputSpec
from registry.domain.evaluation import EVALUATION
from registry.domain.version import Model, Version
from registry.store.keys import SigningKey
from registry.store.versions import VersionStore
from tests.fixtures.versions import CREATED, card, evaluation, signing_key
from training.shapes import CLASSES, render_batch

ROOT = Path(__file__).parents[2]
MADE_FROM = (
    Path(__file__),
    *sorted((ROOT / "training").glob("*.py")),
    *sorted((ROOT / "registry/domain").glob("*.py")),
)
PACKAGES = ("tensorflow-cpu", "tf2onnx", "ai-edge-litert", "pillow")
SEED = 4
PICTURES = 32
PARITY = 1e-4

FP32, INT8 = "model.tflite", "model.int8.tflite"


@dataclass(frozen=True)
class Nets:
    """A folder with everything: signed versions, the same net for other runtimes, pictures, expected answers."""

    folder: Path

    @property
    def trust(self) -> Path:
        return self.folder / "keys"

    @property
    def onnx(self) -> Path:
        return self.folder / "custom.onnx"

    @property
    def keras(self) -> Path:
        return self.folder / "custom.keras"

    def version(self, model: str) -> Path:
        """Directory of the version of `custom` or `efficientnet`."""
        return self.folder / "store/models" / model / "1"

    def pictures(self, side: int) -> tuple[bytes, ...]:
        """JPEG files of 64 or 256 pixels a side."""
        return tuple(path.read_bytes() for path in sorted((self.folder / f"pictures-{side}").iterdir()))

    def expected(self, model: str) -> list[list[float]]:
        """Probabilities of each picture, by LiteRT in FP32."""
        found: list[list[float]] = json.loads((self.folder / f"{model}.json").read_text())
        return found


def prepare(cache: Path) -> Nets:
    """The nets under `cache`, made when what they are made from has changed; about two minutes then."""
    sources = [path.read_bytes() for path in MADE_FROM] + [version(name).encode() for name in PACKAGES]
    folder = cache / f"nets-{hashlib.sha256(b''.join(sources)).hexdigest()[:12]}"
    if not folder.exists():
        print("bench: making the nets (once, about two minutes)", file=sys.stderr)
        aside = cache / f"aside-{os.getpid()}"
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "tests.bench.nets", str(aside)]
        made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if made.returncode:
            raise SystemExit(f"bench: the nets could not be made:\n{made.stderr[-2000:]}")
        for outdated in cache.glob("nets-*"):
            shutil.rmtree(outdated)
        aside.rename(folder)
    return Nets(folder)


def make(nets: Nets) -> None:
    """Fill the folder."""
    key = signing_key(nets.folder)
    for side in (64, 256):
        _draw(nets.folder / f"pictures-{side}", side)
    custom = _build("custom")
    _publish(nets, key, "custom", custom, side=64, pictures=nets.pictures(64))
    custom.save(nets.keras)
    nets.onnx.write_bytes(_to_onnx(custom))
    _check_onnx(nets)
    _publish(nets, key, "efficientnet", _build("efficientnet_b0"), side=224, pictures=nets.pictures(256))


def _draw(folder: Path, side: int) -> None:
    folder.mkdir()
    for place, rendered in enumerate(render_batch(SEED, 0, PICTURES)):
        file = BytesIO()
        Image.fromarray(decode(rendered.content, width=side, height=side)).save(file, "JPEG", quality=90)
        (folder / f"{place:02}.jpg").write_bytes(file.getvalue())


def _build(name: str) -> Any:
    from training.architectures import build, served
    from training.settings import ModelType

    return served(build(ModelType(name), classes=len(CLASSES), seed=SEED), temperature=1.0)


def _publish(nets: Nets, key: SigningKey, model: str, network: Any, *, side: int, pictures: Sequence[bytes]) -> None:
    from training.export import litert_probabilities, to_int8, to_litert

    pixels = np.stack([decode(picture, width=side, height=side) for picture in pictures])
    fp32, int8 = to_litert(network), to_int8(network, pixels)
    variants = {"fp32": {"file": FP32, "parity": 0.0}, "int8": {"file": INT8, "gate": 0.0}}
    spec = InputSpec(side, side)

    def files(chosen: Version) -> dict[str, bytes]:
        of_custom = card(Model(model), chosen, CLASSES, accuracy=0.9, low_confidence=0.14)
        content = replace(of_custom, input=spec, variants=variants).content()
        return {CARD: content, EVALUATION: evaluation(0.9).content(), FP32: fp32, INT8: int8}

    VersionStore(nets.folder / "store").publish(Model(model), Version("1"), files, key=key, created=CREATED)
    probabilities = litert_probabilities(fp32, pixels, batch=1)
    (nets.folder / f"{model}.json").write_text(json.dumps(probabilities.tolist()))


def _to_onnx(network: Any) -> bytes:
    """Variables become constants first: tf2onnx would make inputs of some, which nobody could fill."""
    import tensorflow as tf
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="images")
    frozen = convert_variables_to_constants_v2(tf.function(network).get_concrete_function(signature))
    converted, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[tensor.name for tensor in frozen.inputs],
        output_names=[tensor.name for tensor in frozen.outputs],
        opset=17,
    )
    return bytes(converted.SerializeToString())


def _check_onnx(nets: Nets) -> None:
    """Other runtimes must compute the same, else the comparison is of two different nets."""
    import onnxruntime

    session = onnxruntime.InferenceSession(nets.onnx)
    pixels = np.stack([decode(picture, width=64, height=64) for picture in nets.pictures(64)])
    (probabilities,) = session.run(None, {session.get_inputs()[0].name: pixels})
    difference = float(np.abs(probabilities - np.array(nets.expected("custom"))).max())
    if not difference <= PARITY:
        raise SystemExit(f"custom.onnx: a probability differs by {difference:.2g}, wanted at most {PARITY:g}")


if __name__ == "__main__":
    target = Nets(Path(sys.argv[1]))
    target.folder.mkdir(parents=True)
    make(target)
