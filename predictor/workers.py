"""One process per core, forked when everything is imported and the net is loaded, and started again when one dies.

Pages that nobody writes to are shared, and a successor serves within milliseconds. The sockets belong to the parent:
connections that a dead process had not accepted wait for its successor. The parent itself only watches.
"""

import ctypes
import logging
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence

BEAT = 1.0
"""Seconds between two signs of life of a process."""
HUNG = 15.0
"""Seconds without one after which a process is killed."""
STEADY = 10.0
"""A process that lived this long is started again at once; one that did not, after a pause that doubles."""
_PAUSES = (0.1, 5.0)
_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

log = logging.getLogger("predictor")


class Heartbeats:
    """When each process last showed that its event loop turns, in shared memory (monotonic nanoseconds)."""

    def __init__(self, processes: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * processes)).cast("q")

    def beat(self, process: int) -> None:
        self._cells[process] = time.monotonic_ns()

    def age(self, process: int) -> float:
        """Seconds since its last one."""
        return (time.monotonic_ns() - self._cells[process]) / 1e9


class Workers:
    """Runs `serve(process)` in as many processes as there are sockets.

    restarted: told of every one that died. grace: seconds from the signal to stop until SIGKILL. hung, beat: seconds.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        serve: Callable[[int], None],
        *,
        heartbeats: Heartbeats,
        restarted: Callable[[], None],
        grace: float,
        hung: float = HUNG,
        beat: float = BEAT,
    ) -> None:
        self._sockets = sockets
        self._serve = serve
        self._heartbeats = heartbeats
        self._restarted = restarted
        self._grace = grace
        self._hung = hung
        self._beat = beat
        self._pids: dict[int, int] = {}
        self._started = [0.0] * len(sockets)
        self._due = [0.0] * len(sockets)
        self._pauses = [_PAUSES[0]] * len(sockets)

    def run(self) -> None:
        """Returns when all have ended after SIGTERM, SIGINT or SIGQUIT."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {*_SIGNALS, signal.SIGCHLD})
        while True:
            before = time.monotonic()
            told = signal.sigtimedwait([*_SIGNALS, signal.SIGCHLD], self._start_due(before))
            if told is not None and told.si_signo in _SIGNALS:
                self._stop()
                return
            self._reap()
            if time.monotonic() - before > 2 * self._beat:  # all stood still, this process too: nobody hangs
                for process in range(len(self._sockets)):
                    self._heartbeats.beat(process)
            self._kill_hung()

    def _start_due(self, now: float) -> float:
        """Start what is due; seconds until the next look."""
        look = self._beat
        for process, due in enumerate(self._due):
            if process not in self._pids.values():
                if due <= now:
                    self._start(process, now)
                else:
                    look = min(look, due - now)
        return look

    def _start(self, process: int, now: float) -> None:
        self._heartbeats.beat(process)
        self._started[process] = now
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._pids[pid] = process
            return
        code = 1
        try:
            _die_with(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_SIGNALS, signal.SIGCHLD})
            self._serve(process)
            code = 0
        except BaseException:
            log.exception("predictor.process_failed process=%d", process)
        finally:
            logging.shutdown()
            os._exit(code)  # never back into the parent's code

    def _reap(self) -> None:
        now = time.monotonic()
        for pid, status in _ended():
            process = self._pids.pop(pid)
            steady = now - self._started[process] > STEADY
            pause = 0.0 if steady else self._pauses[process]
            self._pauses[process] = _PAUSES[0] if steady else min(2 * pause, _PAUSES[1])
            self._due[process] = now + pause
            self._restarted()
            log.error("predictor.process_ended process=%d code=%d again_in=%.1f", process, status, pause)

    def _kill_hung(self) -> None:
        for pid, process in self._pids.items():
            if self._heartbeats.age(process) > self._hung:
                log.error("predictor.process_hung process=%d silent=%.0f", process, self._heartbeats.age(process))
                os.kill(pid, signal.SIGKILL)

    def _stop(self) -> None:
        """Pass the signal on; what is still there after the grace is killed."""
        for listening in self._sockets:
            listening.close()
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + self._grace
        while self._pids:
            for pid, _ in _ended():
                del self._pids[pid]
            if self._pids and signal.sigtimedwait([signal.SIGCHLD], 0.5) is None and time.monotonic() > end:
                for pid in self._pids:
                    os.kill(pid, signal.SIGKILL)


def _ended() -> list[tuple[int, int]]:
    """Children that have ended: pid and exit code, negative for a signal."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found.append((pid, os.waitstatus_to_exitcode(status)))


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL at the parent's end: nobody would watch this process any more, nor free its port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
