"""What most people begin with: FastAPI, uvicorn, and `model.predict` of Keras for every request."""

import base64
import io
import os
import sys

import keras
import numpy as np
import uvicorn
from fastapi import FastAPI
from PIL import Image

from training.shapes import CLASSES

model = keras.saving.load_model(os.environ["GEOMETRY_KERAS"])
app = FastAPI()


@app.get("/v2/health/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/v1/models/custom:predict")
async def predict(body: dict) -> dict:
    contents = [base64.b64decode(instance["image"]["b64"]) for instance in body["instances"]]
    images = np.stack([np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents])
    predictions = []
    for row in model.predict(images, verbose=0):
        probabilities = {name: float(value) for name, value in zip(CLASSES, row, strict=True)}
        best = max(probabilities, key=probabilities.get)
        predictions.append({"class": best, "confidence": probabilities[best], "probabilities": probabilities})
    return {"predictions": predictions}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
