"""The net itself: pixels in, probabilities out, on LiteRT.

It is built from bytes that were verified, never from a path, so that what runs is what was hashed. Every interpreter
has one thread; as many images are classified at once as there are interpreters.
"""

from dataclasses import dataclass
from queue import LifoQueue
from time import perf_counter
from typing import Any

import numpy as np

from predictor.query import Pixels, Probabilities
from registry.domain.card import InputSpec
from registry.domain.errors import InvalidDocument

_TRIALS = 4
"""Runs at the start, of which the fastest counts: the first allocates, and any may be interrupted."""


@dataclass(frozen=True)
class _Net:
    """An interpreter and the numbers of its two tensors, looked up once."""

    interpreter: Any
    source: int
    target: int

    def run(self, image: Pixels) -> Probabilities:
        self.interpreter.set_tensor(self.source, image)
        self.interpreter.invoke()
        probabilities: Probabilities = self.interpreter.get_tensor(self.target)
        return probabilities


class Classifier:
    """A net of `classes` outputs. May be used from several threads. seconds: what one image takes."""

    def __init__(self, content: bytes, *, input: InputSpec, classes: int, interpreters: int) -> None:
        """Load a .tflite file and run it once; raises InvalidDocument when it is not what the card says."""
        self.input = input
        self._dtype = np.dtype(input.dtype)
        self._classes = classes
        # Last in, first out: what the net before has left in the processor's caches is of use to the next.
        self._idle: LifoQueue[_Net] = LifoQueue()
        for _ in range(interpreters):
            self._idle.put(self._load(content))
        image = np.zeros((1, input.height, input.width, input.channels), self._dtype)
        self.seconds = min(self._timed(image) for _ in range(_TRIALS))

    def classify(self, images: Pixels) -> Probabilities:
        """Probabilities (n, classes) of images (n, height, width, channels) with values 0–255.

        Images run one by one: a request of 64 takes no more memory than one of 1, and an answer does not depend on its
        neighbours. Values are rounded when the net takes whole numbers.
        """
        if self._dtype == np.uint8 and images.dtype != np.uint8:
            images = np.rint(images)
        images = images.astype(self._dtype, copy=False)
        net = self._idle.get()
        try:
            if len(images) == 1:
                return net.run(images)
            return np.concatenate([net.run(images[index : index + 1]) for index in range(len(images))])
        finally:
            self._idle.put(net)

    def _timed(self, image: Pixels) -> float:
        start = perf_counter()
        self.classify(image)
        return perf_counter() - start

    def _load(self, content: bytes) -> _Net:
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            words = " ".join(str(error).split())
            raise InvalidDocument(f"LiteRT cannot load the net ({words}); train and publish it again") from error
        shape = (self.input.height, self.input.width, self.input.channels)
        return _Net(
            interpreter,
            source=_only(interpreter.get_input_details(), self._dtype, shape),
            target=_only(interpreter.get_output_details(), np.dtype(np.float32), (self._classes,)),
        )


def _only(tensors: list[dict[str, Any]], dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """The number of the one tensor; raises InvalidDocument unless it has this type and shape for one image."""
    found = [(str(np.dtype(tensor["dtype"])), *tensor["shape"].tolist()) for tensor in tensors]
    if found != [(str(dtype), 1, *shape)]:
        raise InvalidDocument(f"the net has tensors {found}, its card wants one of {dtype} and shape {(1, *shape)}")
    return int(tensors[0]["index"])
