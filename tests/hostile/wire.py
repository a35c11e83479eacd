"""HTTP as bytes on a socket: what no HTTP client would send, and every answer that comes back."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from typing import Self

TIMEOUT = 10  # of a client that gives up; nothing here waits for it


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._file: BufferedReader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, content: bytes | Iterable[bytes]) -> Self:
        """Send what the server takes; it may hang up before the end."""
        try:
            for part in (content,) if isinstance(content, bytes) else content:
                self.socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def reply(self, *, head: bool = False) -> Reply | None:
        """The next answer, None when the connection ended instead. head: to HEAD, which has no body."""
        try:
            return self._reply(head=head)
        except ConnectionResetError:
            return None

    def closed(self) -> bool:
        """Wait for the server to hang up; True when it did and sent nothing before."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def _reply(self, *, head: bool) -> Reply | None:
        line = self._file.readline()
        if not line:
            return None
        version, status, _ = line.split(b" ", 2)
        assert version.startswith(b"HTTP/1."), line
        headers = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, value = line.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip()
        if status == b"100":
            return self._reply(head=head)
        return Reply(int(status), headers, b"" if head else self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._file.read(int(headers.get("content-length", -1)))
        parts = []
        while size := int(self._file.readline(), 16):
            parts.append(self._file.read(size))
            self._file.readline()
        self._file.readline()
        return b"".join(parts)


def request(method: str, path: str, body: bytes = b"", *headers: str, length: bool = True) -> bytes:
    """An HTTP/1.1 request. length: with Content-Length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
