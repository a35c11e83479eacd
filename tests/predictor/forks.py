"""Children of a test, forked as the predictor's workers are."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def fork(run: Callable[[], None]) -> int:
    """Run it in a child, which then ends; returns the child's pid, to be waited for."""
    pid = os.fork()
    if pid:
        return pid
    try:
        run()
        os._exit(0)
    finally:
        os._exit(1)


@contextmanager
def forked(run: Callable[[], None]) -> Iterator[int]:
    """A child for the time of the context, killed at its end wherever it is."""
    pid = fork(run)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
