"""One HTTP/2 connection of the load generator for gRPC: one call at a time, frames made beforehand.

Written by hand because a gRPC client in Python costs more CPU than the servers that are measured. A call is good when a
message came before its trailers: an error of gRPC comes without one. Header compression is used in neither direction
(ours is literal, theirs is not read).
"""

import struct

from tests.bench.http1 import Outcome, opened

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
INITIAL_WINDOW = 65_535
MAX_FRAME = 16_384

_CHUNK = 1 << 18
_LARGEST = (1 << 31) - 1


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def call(path: str, message: bytes) -> bytes:
    """HEADERS and DATA frames of one call, for stream 0: a connection puts its own stream in."""
    headers = b"\x83\x86" + b"".join(  # :method POST and :scheme http, from the static table
        _literal(name, value)
        for name, value in (
            (b":path", path.encode()),
            (b":authority", b"127.0.0.1"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        )
    )
    body = b"\0" + len(message).to_bytes(4, "big") + message
    if len(body) > INITIAL_WINDOW:
        raise ValueError(f"message: found {len(body)} bytes, wanted at most {INITIAL_WINDOW}")
    parts = [body[start : start + MAX_FRAME] for start in range(0, len(body), MAX_FRAME)]
    frames = [frame(HEADERS, END_HEADERS, 0, headers)]
    frames += [frame(DATA, END_STREAM if part is parts[-1] else 0, 0, part) for part in parts]
    return b"".join(frames)


def _literal(name: bytes, value: bytes) -> bytes:
    """A header that is in no table and never gets there."""
    return b"\x10" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Http2:
    """A connection to a loopback port; `begin` and `go_on` write, `receive` reads, nothing ever blocks."""

    def __init__(self, port: int) -> None:
        self.socket = opened(port)
        self._stream = -1
        self._window = INITIAL_WINDOW
        self._buffer = b""
        self._message = False
        self._waiting: bytes | None = None
        self._unsent = PREFACE + frame(SETTINGS, 0, 0, b"")
        self._unsent += frame(WINDOW_UPDATE, 0, 0, (_LARGEST - INITIAL_WINDOW).to_bytes(4, "big"))

    def close(self) -> None:
        self.socket.close()

    def begin(self, request: bytes) -> bool:
        """Send a call, when the server's window has room for it; False when some is left for `go_on`."""
        if len(request) > self._window:
            self._waiting = request
            return self.go_on()
        self._stream += 2
        self._message = False
        self._window -= sum(length for kind, length, _ in _frames(request) if kind == DATA)
        self._unsent += _on_stream(request, self._stream)
        return self.go_on()

    def go_on(self) -> bool:
        """Send what is left."""
        if not self._unsent:
            return True
        try:
            sent = self.socket.send(self._unsent)
        except BlockingIOError:
            return False
        except OSError:
            return True  # reading finds the connection closed
        self._unsent = self._unsent[sent:]
        return not self._unsent

    def receive(self) -> Outcome:
        """Read what has come; 200 when the call has its message and its trailers."""
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return 0
        if not data:
            return 0
        data = self._buffer + data
        outcome: Outcome = None
        used = 0
        for kind, length, start in _frames(data):
            used = start + length
            taken = self._take(kind, data[start - 5], data[start - 4 : used])
            outcome = taken if outcome is None else outcome
        self._buffer = data[used:]
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self.begin(waiting)
        elif self._unsent:
            self.go_on()
        return outcome

    def _take(self, kind: int, flags: int, rest: bytes) -> Outcome:
        """One frame: its stream and payload in `rest`."""
        payload = rest[4:]
        if kind == WINDOW_UPDATE:
            if rest[:4] == b"\0\0\0\0":
                self._window += int.from_bytes(payload, "big") & _LARGEST
        elif kind == PING and not flags & ACK:
            self._unsent += frame(PING, ACK, 0, payload)
        elif kind == SETTINGS and not flags & ACK:
            self._unsent += frame(SETTINGS, ACK, 0, b"")
        elif kind == DATA:
            self._message = self._message or len(payload) > 5
        elif kind == HEADERS and flags & END_STREAM:
            return 200 if self._message else 503
        elif kind in (RESET, GOAWAY):
            return 0
        return None


def _frames(data: bytes) -> list[tuple[int, int, int]]:
    """Kind, length and start of the payload of every whole frame."""
    found, at = [], 0
    while at + 9 <= len(data):
        length = int.from_bytes(data[at : at + 3], "big")
        if at + 9 + length > len(data):
            break
        found.append((data[at + 3], length, at + 9))
        at += 9 + length
    return found


def _on_stream(request: bytes, stream: int) -> bytes:
    """The frames with their stream's number put in."""
    numbered = bytearray(request)
    for _, _, start in _frames(request):
        struct.pack_into(">I", numbered, start - 4, stream)
    return bytes(numbered)
