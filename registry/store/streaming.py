"""Files as one stream of tar, made and read without a copy on disk in between."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO, cast

from registry.domain.errors import NotVerified

_BLOCK = tarfile.BLOCKSIZE
_END = b"\0" * 2 * _BLOCK


def packed(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The bytes of a tar with these files, in order. Whatever making them raises cuts the stream off."""
    for name, content in files:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        yield content
        yield b"\0" * (-len(content) % _BLOCK)
    yield _END


def unpacked(stream: IO[bytes], *, where: str) -> Iterator[tuple[str, bytes]]:
    """The files of a tar as it arrives. Raises NotVerified for one that is torn, or holds anything but plain files
    below its root."""
    seen, end = _Seen(stream), 0
    try:
        # A stream is only ever read.
        with tarfile.open(fileobj=cast("IO[bytes]", seen), mode="r|") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                path = PurePosixPath(member.name)
                if file is None or path.is_absolute() or not path.parts or ".." in path.parts:
                    raise NotVerified(f"{where}: {member.name!r} is no plain file below it")
                yield str(path), file.read()
                end = member.offset_data + member.size + -member.size % _BLOCK
    except (tarfile.TarError, EOFError) as error:
        raise NotVerified(f"{where}: broke off or is no tar ({error})") from error
    # A tar that is cut between two files, or in a header, ends for tarfile like a whole one.
    while seen.read(_BLOCK * 128):
        pass
    if seen.size < end + len(_END) or seen.last.strip(b"\0"):
        raise NotVerified(f"{where}: broke off after {seen.size} bytes, without the end of a tar")


class _Seen:
    """A stream of which the size is known so far, and the last bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size, self.last = 0, b""

    def read(self, size: int) -> bytes:
        found = self._stream.read(size)
        self.size, self.last = self.size + len(found), (self.last + found)[-len(_END) :]
        return found
