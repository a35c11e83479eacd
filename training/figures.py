"""Pictures of an evaluation, as PNG bytes for MLflow. Drawn without a display and without global state."""

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from predictor.image import Pixels
from training.evaluate import Report, worst_mistakes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MISTAKES = 32
_COLUMNS = 8


def pictures(report: Report, images: Pixels, labels: NDArray[np.int64]) -> dict[str, bytes]:
    """Every picture by its path in the run's artifacts."""
    return {
        "confusion_matrix.png": confusion_matrix(report),
        "reliability_curve.png": reliability_curve(report),
        "worst_mistakes.png": gallery(report, images, labels),
    }


def confusion_matrix(report: Report) -> bytes:
    """Images of each class (rows) by what they were taken for (columns)."""
    figure = _figure(6, 5.5)
    axes = figure.subplots()
    axes.imshow(np.sqrt(report.confusion), cmap="Blues")
    axes.set_xticks(range(len(report.classes)), report.classes, rotation=45, ha="right")
    axes.set_yticks(range(len(report.classes)), report.classes)
    axes.set(xlabel="predicted", ylabel="label", title=f"accuracy {report.accuracy:.2%}")
    half = report.confusion.max() / 4
    for (row, column), count in np.ndenumerate(report.confusion):
        axes.text(column, row, str(count), ha="center", va="center", size=7, color="white" if count > half else "black")
    return _png(figure)


def reliability_curve(report: Report) -> bytes:
    """Accuracy over confidence in equal-mass bins; a perfect one lies on the diagonal."""
    figure = _figure(5, 5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([b.confidence for b in report.reliability], [b.accuracy for b in report.reliability], marker="o")
    axes.set(xlabel="top probability", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(f"expected calibration error {report.ece:.4f}")
    return _png(figure)


def gallery(report: Report, images: Pixels, labels: NDArray[np.int64]) -> bytes:
    """The wrong answers of highest confidence."""
    places = worst_mistakes(report, labels, count=MISTAKES)
    rows = max(1, -(-len(places) // _COLUMNS))
    figure = _figure(1.3 * _COLUMNS, 1.6 * rows)
    for number, place in enumerate(places):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1)
        axes.imshow(images[place])
        label, found = report.classes[labels[place]], report.classes[report.predicted[place]]
        axes.set_title(f"{label}\nas {found} {report.confidence[place]:.0%}", size=7)
        axes.axis("off")
    return _png(figure)


def _figure(width: float, height: float) -> "Figure":
    """Inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: "Figure") -> bytes:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=90)
    return content.getvalue()
