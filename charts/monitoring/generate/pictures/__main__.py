"""Draws every dashboard: `python -m charts.monitoring.generate.pictures docs/pictures`."""

import json
import sys
import tempfile
from pathlib import Path

from charts.monitoring.generate.boards import BOARDS
from charts.monitoring.generate.pictures.afternoon import afternoon
from charts.monitoring.generate.pictures.drawing import draw
from charts.monitoring.generate.pictures.recorded import recorded

BEGAN = 1_772_456_400.0
"""2026-03-02 13:00 UTC."""


def main(folder: Path) -> None:
    """Write one PNG a dashboard into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, recorded(afternoon(BEGAN), BEGAN, Path(place)) as told:
        for board in BOARDS:
            path = folder / f"dashboard-{board.name}.png"
            draw(json.loads(board.text()), told, path)
            print(f"drew {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
