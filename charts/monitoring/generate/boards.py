"""All dashboards by the name of their file."""

from charts.monitoring.generate.model import MODEL
from charts.monitoring.generate.rollouts import ROLLOUTS
from charts.monitoring.generate.service import SERVICE
from charts.monitoring.generate.store import STORE
from charts.monitoring.generate.training import TRAINING

BOARDS = (SERVICE, MODEL, ROLLOUTS, TRAINING, STORE)


def texts() -> dict[str, str]:
    """File name → content."""
    return {f"{board.name}.json": board.text() for board in BOARDS}
