"""Turn after turn until a signal says stop."""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

from registry.controller.loop import Controller

TURN = 1.0
"""Seconds between two turns; a canary that dies has weight 0 one turn later."""

_log = logging.getLogger(__name__)


def stop_on_signal(*wakes: threading.Event) -> threading.Event:
    """An event that SIGTERM and SIGINT set, and `wakes` with it, for whoever waits for those."""
    stop = threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        _log.info("controller.stopping signal=%s", number)
        for event in (stop, *wakes):
            event.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return stop


def run(
    controller: Controller,
    *,
    stop: threading.Event,
    wake: threading.Event,
    pace: float = TURN,
    goes_on: Callable[[bool | None], bool] = lambda _: True,
) -> None:
    """Turn until `stop` is set. A turn that fails is told and tried again: what serves must go on serving.

    pace: seconds between two turns that found nothing. wake: set by whoever has news before, and with `stop`. goes_on:
    asked before each turn and told whether the last one was fine (None: there was none); False ends it.
    """
    fine: bool | None = None
    while not stop.is_set() and goes_on(fine):
        try:
            again, fine = controller.turn(), True
        except Exception:
            _log.exception("turn.failed")
            again = fine = False
        if not again:
            wake.wait(pace)
            wake.clear()
