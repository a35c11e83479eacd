"""The networks. What is trained ends in logits; what is served is the same graph with temperature and softmax behind.

Both take uint8 images and scale them inside, so that nothing about pixels travels beside the graph. There is no batch
normalisation in `custom`: on a CPU it costs more than all convolutions together.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import ResumeError, TrainingError
from training.settings import ModelType

if TYPE_CHECKING:
    import keras

SIDES = {ModelType.CUSTOM: 64, ModelType.EFFICIENTNET_B0: 224}
"""Pixels of an input's sides."""

LOGITS = "logits"
_BACKBONE = "backbone"

_HIDDEN = 128  # units between what was seen where and the logits
# Filters, kernel side and stride of each convolution. Filters in multiples of 32: the kernels that serve them compute
# 32 at a time, and 40 take as long as 64.
_CUSTOM = ((32, 5, 2), (32, 3, 1), (64, 3, 2), (64, 3, 1), (64, 3, 1), (128, 3, 2), (32, 3, 2))
_QUICK = ((16, 5, 2), (32, 3, 2), (48, 3, 2), (64, 3, 2))


def build(
    model_type: ModelType, *, classes: int, seed: int, quick: bool = False, weights: Path | None = None
) -> "keras.Model":
    """A network from uint8 (N, side, side, 3) to logits (N, classes). Raises TrainingError when `weights` do not fit.

    seed: of the initial weights. weights: a Keras weights file of the whole network, or of its backbone alone (Keras'
    `notop` files).
    """
    import keras

    keras.utils.set_random_seed(seed)
    side = SIDES[model_type]
    images = keras.Input((side, side, 3), dtype="uint8", name="images")
    features = _efficientnet(images) if model_type is ModelType.EFFICIENTNET_B0 else _custom(images, quick=quick)
    logits = keras.layers.Dense(classes, name=LOGITS)(features)
    network = keras.Model(images, logits, name=model_type.value)
    if weights is not None:
        _load(network, weights)
    return network


def served(network: "keras.Model", *, temperature: float) -> "keras.Model":
    """The graph that is published: `network`, its logits divided by `temperature`, softmax."""
    import keras

    calibrated = keras.layers.Rescaling(1 / temperature, name="temperature")(network.output)
    probabilities = keras.layers.Softmax(name="probabilities")(calibrated)
    return keras.Model(network.input, probabilities, name=network.name)


def continued(model: "keras.Model", model_type: ModelType, *, classes: int) -> "keras.Model":
    """The network inside a served model, to be trained on. Raises ResumeError when it is another one than asked for."""
    import keras

    found, outputs = model.name, model.output_shape[-1]
    if found != model_type or outputs != classes:
        raise ResumeError(
            f"--resume: found {found} for {outputs} classes, wanted {model_type} for {classes}; train without --resume"
        )
    return keras.Model(model.input, model.get_layer(LOGITS).output, name=found)


def multiply_adds(network: "keras.Model") -> int:
    """Of the convolutions and dense layers, for one image."""
    import keras

    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            total += height * width * int(layer.kernel.shape.num_elements())
        elif isinstance(layer, keras.layers.Dense):
            total += int(layer.kernel.shape.num_elements())
    return total


def _custom(images: "keras.KerasTensor", *, quick: bool) -> "keras.KerasTensor":
    from keras import layers

    flow = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(images)
    # Brightness and contrast of a picture say nothing about a shape.
    flow = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-3, name="contrast")(flow)
    for place, (filters, side, stride) in enumerate(_QUICK if quick else _CUSTOM):
        flow = layers.Conv2D(
            filters,
            side,
            strides=stride,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"convolution_{place}",
        )(flow)
    # Where on the outline a corner is matters: with global pooling the net learns several times slower.
    places = layers.Flatten(name="places")(flow)
    return layers.Dense(_HIDDEN, activation="relu", kernel_initializer="he_normal", name="hidden")(places)


def _efficientnet(images: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    # Its first layers scale the pixels themselves.
    backbone = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(224, 224, 3), name=_BACKBONE
    )
    return keras.layers.GlobalAveragePooling2D(name="pooled")(backbone(images))


def _load(network: "keras.Model", weights: Path) -> None:
    """Weights of the whole network, or of the backbone alone."""
    reason = "no such file"
    for target in (network, *(layer for layer in network.layers if layer.name == _BACKBONE)):
        try:
            target.load_weights(weights)
        except (ValueError, OSError, KeyError) as error:
            reason = str(error).splitlines()[0]
        else:
            return
    raise TrainingError(f"{weights}: {reason}; wanted a Keras weights file (.weights.h5) of {network.name}")
