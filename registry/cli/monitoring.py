"""`geometry local monitoring`: Prometheus and Alertmanager beside this machine's installation, in the foreground."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from registry.adapters.local.monitors import Monitors, Settings
from registry.adapters.local.processes import last_lines
from registry.adapters.local.state import read_state
from registry.cli.options import HomeOption, now, place, say
from registry.cli.places import runs_here
from registry.domain.errors import Unreachable

FILES = Path(__file__).resolve().parents[2] / "charts" / "monitoring" / "files"
"""Rules and routes, in a checkout."""

PACE = 1.0
"""Seconds between two looks at what there is to scrape."""

STARTS = 3
"""How often a program may end before it is ready: its port is taken, or its files are wrong."""


def monitoring(
    prometheus_port: Annotated[int, typer.Option("--port", help="Prometheus's pages.")] = 9090,
    alertmanager_port: Annotated[int, typer.Option("--alertmanager-port", help="Alertmanager's pages.")] = 9093,
    webhook: Annotated[str | None, typer.Option("--webhook", help="URL that is told of every alert.")] = None,
    files: Annotated[Path, typer.Option("--files", help="Folder with rules/ and alertmanager.yaml.")] = FILES,
    home: HomeOption = None,
) -> None:
    """Run Debian's Prometheus and Alertmanager with the rules of charts/monitoring until the installation stops."""
    found = place(home)
    if not runs_here(found):
        raise Unreachable(f"{found.root}: nothing runs here; start it with `geometry local up`")
    monitors = Monitors(
        found.root / "monitoring",
        Settings(files=files, prometheus=prometheus_port, alertmanager=alertmanager_port, webhook=webhook),
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    monitors.start(now())
    told = False
    try:
        while not ended.is_set() and runs_here(found):
            monitors.step(read_state(found.root), now())
            if not told and _ready(monitors):
                say("Prometheus: {}   Alertmanager: {}   (Ctrl-C stops both)".format(*monitors.urls))
                told = True
            ended.wait(PACE)
    finally:
        monitors.stop(now())
    say("stopped")


def _ready(monitors: Monitors) -> bool:
    """Whether both answer. Raises Unreachable when one ends again and again."""
    for child in monitors.children:
        if child.restarts >= STARTS:
            raise Unreachable(f"{child.name} does not start:\n{last_lines(child.log)}")
    import httpx  # here, because it takes longer than most verbs

    try:
        return all(httpx.get(f"{url}/-/ready", trust_env=False, timeout=PACE).is_success for url in monitors.urls)
    except httpx.HTTPError:
        return False
