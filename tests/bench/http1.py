"""One keep-alive HTTP/1.1 connection of the load generator: sends bytes made beforehand, reads one answer at a time.

Only what a benchmark must know of an answer is looked at: its status, and that all of its body has come.
"""

import socket

Outcome = int | None
"""HTTP status of a whole answer, 0 for a broken one, None while something is missing."""

_CHUNK = 1 << 14


def opened(port: int) -> socket.socket:
    """A socket on its way to being connected; what is sent too early waits."""
    found = socket.socket()
    found.setblocking(False)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.connect_ex(("127.0.0.1", port))
    return found


class Http1:
    """A connection to a loopback port; `begin` and `go_on` write, `receive` reads, nothing ever blocks."""

    def __init__(self, port: int) -> None:
        self.socket = opened(port)
        self._buffer = b""
        self._wanted = -1
        self._unsent = b""

    def close(self) -> None:
        self.socket.close()

    def begin(self, request: bytes) -> bool:
        """Send a request; False when some of it is left for `go_on`."""
        self._unsent = request
        return self.go_on()

    def go_on(self) -> bool:
        """Send what is left."""
        try:
            sent = self.socket.send(self._unsent)
        except BlockingIOError:
            return False
        except OSError:
            return True  # reading finds the connection closed
        self._unsent = self._unsent[sent:]
        return not self._unsent

    def receive(self) -> Outcome:
        """Read what has come; the status when the answer is whole."""
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return 0
        if not data:
            return 0
        if self._buffer:
            data = self._buffer + data
        if self._wanted < 0:
            self._wanted = _length(data)
        if self._wanted < 0 or len(data) < self._wanted:
            self._buffer = data
            return None
        whole = len(data) == self._wanted
        self._buffer, self._wanted = b"", -1
        return int(data[9:12]) if whole else 0


def _length(data: bytes) -> int:
    """Bytes of the whole answer, head and body; -1 while the head is not whole. No length reads as an empty body."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return -1
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return end + 4
    stop = head.find(b"\r\n", at + 2)
    return end + 4 + int(head[at + 17 : stop if stop > 0 else end])
