"""Takes connections as they come, all at once.

libuv accepts one a turn of the event loop. A turn that also classifies takes milliseconds, and a burst of clients would
wait for seconds: health checks among them.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

AT_ONCE = 256
"""Connections taken in one turn, so that a flood of them leaves time for those that are here."""
PAUSE = 0.1
"""Seconds without accepting when descriptors have run out: trying again at once would only burn the processor."""

log = logging.getLogger("predictor")


class Acceptor:
    """Accepts on a listening socket until it is closed. Made on the event loop that runs.

    accepted: told of every connection, before it is made.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        *,
        accepted: Callable[[], None],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listening = listening
        self._protocol = protocol
        self._accepted = accepted
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._open = True
        self._resume()

    def close(self) -> None:
        """Take no more connections."""
        self._open = False
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("predictor.accept_failed reason=%s again_in=%g", error.strerror, PAUSE)
                self._loop.remove_reader(self._listening)
                self._loop.call_later(PAUSE, self._resume)
                return
            self._accepted()
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opening = self._loop.create_task(self._connect(accepted))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted, ssl=self._tls)
        except OSError:  # gone before it was here, or no handshake: ssl.SSLError is one
            accepted.close()
