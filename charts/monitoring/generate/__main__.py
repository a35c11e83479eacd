"""Writes the dashboards: `python -m charts.monitoring.generate`. What is committed is what this writes."""

from pathlib import Path

from charts.monitoring.generate import boards

FOLDER = Path(__file__).parents[1] / "dashboards"


def main() -> None:
    """Write each dashboard whose text has changed, and remove what no code makes any more."""
    texts = boards.texts()
    for path in sorted(FOLDER.glob("*.json")):
        if path.name not in texts:
            path.unlink()
            print(f"removed {path.name}")
    for name, text in texts.items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
