"""A version as one file, to go from one installation to another: an uncompressed tar of its directory, as it is.

The same version always gives the same bytes. What comes back in is trusted by its signature alone: names and kinds of
members are checked before a byte is written, digests and the closed list of files before the version is visible.
"""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from registry.domain.errors import Conflict, InvalidDocument, InvalidName, NotFound, NotVerified
from registry.domain.fold import fold
from registry.domain.manifest import MANIFEST, SIGNATURE, Manifest
from registry.domain.version import Model, Version, model_name, version_name
from registry.store import durable
from registry.store.home import Home
from registry.store.versions import is_another, plain_name, was_deleted

MEMBERS = 1000
"""A version has a handful of files; a tar of more is something else."""


def export_version(home: Home, model: Model, version: Version, *, to: Path) -> Manifest:
    """Write a verified version to the file `to`; the same bytes there already are a success, others a Conflict."""
    verified = home.versions().verify(model, version, home.trust())
    names = (MANIFEST, SIGNATURE, *(entry.path for entry in verified.manifest.files))
    files = {name: (verified.directory / name).read_bytes() for name in (MANIFEST, SIGNATURE)}
    files |= {entry.path: verified.read(entry.path) for entry in verified.manifest.files}
    content = _packed({f"{model}/{version}/{name}": files[name] for name in names})
    durable.make_directory(to.parent)
    durable.clear_asides(to.parent)
    if to.exists():
        if to.read_bytes() != content:
            raise Conflict(f"{to}: exists already with other bytes; name another file")
        return verified.manifest
    durable.replace(to, content)
    return verified.manifest


def import_version(home: Home, file: Path) -> Manifest:
    """Store the version in `file`, as `VersionStore.receive` does. Also raises NotFound and InvalidDocument."""

    def check(manifest: Manifest) -> None:
        known = fold(manifest.model, home.journal_of(manifest.model).read()).versions.get(manifest.version)
        if known is not None and known.deleted:
            raise was_deleted(manifest)
        if known is not None and known.digest != manifest.digest:
            raise is_another(manifest, known.digest)

    files = _unpacked(file)
    try:
        return home.versions().receive(files, home.trust(), check)
    except NotVerified as error:
        raise NotVerified(f"{file}: {error}; where the file was damaged, `geometry models export` it again") from error


def _packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _unpacked(file: Path) -> Mapping[str, bytes]:
    """Content by name of each member, which version they are of says the signed manifest among them alone.

    Raises NotFound, InvalidDocument or NotVerified.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(file, mode="r:") as tar:
            for member in tar:
                name = _name(file, member)
                if name in files or len(files) >= MEMBERS:
                    raise NotVerified(f"{file}: found {member.name!r} twice, or more than {MEMBERS} files")
                stream = tar.extractfile(member)
                files[name] = stream.read() if stream else b""
    except FileNotFoundError:
        raise NotFound(f"{file}: no such file; `geometry models export` writes one") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InvalidDocument(
            f"{file}: not readable as what `geometry models export` writes ({error}); export it again"
        ) from error
    return files


def _name(file: Path, member: tarfile.TarInfo) -> str:
    """The name below `<model>/<version>/`, both of which are checked as names."""
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        raise NotVerified(f"{file}: found {member.name!r} as a link, device, directory or sparse, wanted a plain file")
    try:
        model, version, name = member.name.split("/")
        model_name(model), version_name(version)
        return plain_name(name)
    except (ValueError, InvalidName, NotVerified):
        raise NotVerified(f"{file}: found {member.name!r}, wanted MODEL/VERSION/FILE") from None
