"""A Prometheus that holds series: filled by promtool, the recording rules included, and asked over its API."""

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charts.monitoring.generate.pictures.afternoon import STEP, Line

RULES = Path(__file__).parents[2] / "files" / "rules"
PASSES = 3
"""Rules that ask for what rules record need that to be there: as often as they lean on each other."""


@dataclass(frozen=True)
class Recorded:
    """url: of its API. began, ended: Unix times of what it holds."""

    url: str
    began: float
    ended: float

    def range(self, expr: str) -> list[dict[str, Any]]:
        """Series of `values` [[time, text]] with their labels in `metric`."""
        return self._asked("query_range", query=expr, start=self.began, end=self.ended, step=STEP)

    def last(self, expr: str) -> list[dict[str, Any]]:
        """Series with one `value` [time, text], of the end."""
        return self._asked("query", query=expr, time=self.ended)

    def _asked(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        data = urllib.parse.urlencode(parameters).encode()
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, timeout=60) as answer:  # noqa: S310 - loopback
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


@contextmanager
def recorded(lines: Iterable[Line], began: float, folder: Path) -> Iterator[Recorded]:
    """A Prometheus on a free port for as long as the context lasts; its data in `folder`.

    Raises FileNotFoundError where Prometheus is not installed, CalledProcessError where it refuses the series.
    """
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise FileNotFoundError(f"{program} is not in PATH: install Debian's package prometheus")
    ended = began
    with (folder / "series.txt").open("w") as file:
        for text, at in _openmetrics(lines, began):
            file.write(text)
            ended = max(ended, at)
    _run("promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "series.txt"), str(folder / "data"))
    for _ in range(PASSES):
        with _started(folder) as url:
            span = (
                f"--start={began:.0f}",
                f"--end={ended:.0f}",
                f"--output-dir={folder / 'data'}",
                "--eval-interval=30s",
            )
            _run(
                "promtool",
                "tsdb",
                "create-blocks-from",
                "rules",
                f"--url={url}",
                *span,
                *map(str, RULES.glob("*.yaml")),
            )
    with _started(folder) as url:
        yield Recorded(url, began, ended)


def _openmetrics(lines: Iterable[Line], began: float) -> Iterator[tuple[str, float]]:
    name = ""
    for line in lines:
        if line.name != name:
            name = line.name
            yield f"# TYPE {name} unknown\n", began
        labels = ",".join(f'{key}="{value}"' for key, value in line.labels.items())
        for step, value in enumerate(line.values):
            if not math.isnan(value):
                at = began + step * STEP
                yield f"{name}{{{labels}}} {value:.10g} {at:.3f}\n", at
    yield "# EOF\n", began


@contextmanager
def _started(folder: Path) -> Iterator[str]:
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 30s}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        "--query.lookback-delta=1m",  # what was read of files has no mark where a series ends
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - its own arguments
    try:
        _wait(f"http://127.0.0.1:{port}/-/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within a minute")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - its own arguments
