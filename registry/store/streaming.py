"""Files as one stream of tar, made and read without a copy on disk in between."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO

from registry.domain.errors import NotVerified

_BLOCK = tarfile.BLOCKSIZE


def packed(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The bytes of a tar with these files, in order. Whatever making them raises cuts the stream off."""
    for name, content in files:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        yield content
        yield b"\0" * (-len(content) % _BLOCK)
    yield b"\0" * 2 * _BLOCK


def unpacked(stream: IO[bytes], *, where: str) -> Iterator[tuple[str, bytes]]:
    """The files of a tar as it arrives. Raises NotVerified for one that is torn, or holds anything but plain files
    below its root."""
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                path = PurePosixPath(member.name)
                if file is None or path.is_absolute() or not path.parts or ".." in path.parts:
                    raise NotVerified(f"{where}: {member.name!r} is no plain file below it")
                yield str(path), file.read()
    except (tarfile.TarError, EOFError) as error:
        raise NotVerified(f"{where}: broke off or is no tar ({error})") from error
