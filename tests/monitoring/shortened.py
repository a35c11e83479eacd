"""The same rules and routes in less time: time in Prometheus cannot be sped up, so every duration is divided.

Ranges, `for`, intervals and waits of rules and routes become shorter by one factor; expressions, thresholds and labels
stay. What is counted per second stays per second. A page that is promised within 90 s comes within 90 s ÷ the factor,
plus what does not shrink: a scrape, an evaluation, a notification.
"""

import re
from pathlib import Path
from typing import Any

import yaml

FACTOR = 20.0

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RANGE = re.compile(r"(?<=\[)(\d+)([smhd])(?=\])")
_WHOLE = re.compile(r"(\d+)([smhd])")
_WAITS = ("for", "interval", "group_wait", "group_interval", "repeat_interval")


def seconds(duration: str) -> float:
    """Of a duration such as 15s or 3d."""
    found = _WHOLE.fullmatch(duration)
    assert found, f"{duration}: not one number and one unit"
    return int(found[1]) * SECONDS[found[2]]


def shortened(document: Any, factor: float = FACTOR) -> Any:
    """The document with every duration divided."""
    match document:
        case dict():
            return {key: _value(key, value, factor) for key, value in document.items()}
        case list():
            return [shortened(item, factor) for item in document]
    return document


def _value(key: str, value: Any, factor: float) -> Any:
    if key in _WAITS:
        return _divided(value, factor)
    if key == "expr":
        return _RANGE.sub(lambda found: _divided(found.group(), factor), value)
    return shortened(value, factor)


def _divided(duration: str, factor: float) -> str:
    return f"{max(round(1000 * seconds(duration) / factor), 1)}ms"


def write(files: Path, to: Path, factor: float = FACTOR) -> Path:
    """Rules and routes of `files`, shortened, below `to`."""
    (to / "rules").mkdir(parents=True)
    for path in [*(files / "rules").glob("*.yaml"), files / "alertmanager.yaml"]:
        text = yaml.safe_dump(shortened(yaml.safe_load(path.read_text()), factor), sort_keys=False)
        (to / path.relative_to(files)).write_text(text)
    return to
