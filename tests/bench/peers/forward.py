"""The ceiling: LiteRT in a tight loop, one process a core, without a server; on request with the decoding before it.

Every line on stdin is a number of seconds; for each, a line of JSON says how many images were classified in them and
the median of seconds per image. Idle in between.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from predictor.image import decode


def main(directory: Path, pictures: Path, *, decoding: bool) -> None:
    side = json.loads((directory / "card.json").read_bytes())["input"]["width"]
    interpreter = Interpreter(model_path=str(directory / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    files = [path.read_bytes() for path in sorted(pictures.iterdir())]
    images = [decode(content, width=side, height=side)[None] for content in files]

    def classify(place: int) -> None:
        pixels = decode(files[place], width=side, height=side)[None] if decoding else images[place]
        interpreter.set_tensor(source, pixels)
        interpreter.invoke()
        interpreter.get_tensor(target)

    classify(0)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        took = []
        begun = now = time.perf_counter()
        while now < begun + float(line):
            classify(len(took) % len(files))
            before, now = now, time.perf_counter()
            took.append(now - before)
        figures = {"images": len(took), "seconds": now - begun, "median": statistics.median(took)}
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), decoding=sys.argv[3:] == ["decoding"])
