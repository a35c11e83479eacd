"""The store: `<root>/models/<model>/<version>/`, one immutable, signed directory per version.

Training and import publish into it; everybody else verifies what is there and then opens listed files only, hashing the
bytes that are really used. A directory here is not yet a version of the registry: the journal's `published` entry is.
"""

import base64
import binascii
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from registry.domain.documents import Fields, canonical_bytes, moment, sha256, timestamp
from registry.domain.errors import Conflict, InvalidDocument, InvalidName, NotFound, NotVerified
from registry.domain.manifest import MANIFEST, PLAIN, SIGNATURE, FileEntry, Manifest, parse_manifest
from registry.domain.version import Model, Version, model_name, next_version, version_name
from registry.store import durable
from registry.store.files import check_file, compare, read_regular
from registry.store.keys import SigningKey, Trust

MODELS = "models"
LOCK = ".lock"
"""In a model's directory: held by whoever writes there."""

_SMALL = 1 << 20


@dataclass(frozen=True)
class VerifiedVersion:
    """A version whose signature and files were checked. The bytes may change after that: use `read`."""

    manifest: Manifest
    directory: Path

    @property
    def digest(self) -> str:
        return self.manifest.digest

    def read(self, path: str) -> bytes:
        """The bytes of a listed file, hashed as returned; raises InvalidDocument (not listed) or NotVerified."""
        entry = self.manifest.file(path)
        content = read_regular(self.directory / path, limit=entry.size)
        compare(self.directory / path, entry, size=len(content), found=sha256(content))
        return content


@dataclass(frozen=True)
class VersionStore:
    """Versions of all models under `root`."""

    root: Path

    def models(self) -> tuple[Model, ...]:
        """Names of models that have a directory here, sorted."""
        return tuple(Model(name) for name in directories(self.root / MODELS, model_name))

    def versions(self, model: Model) -> tuple[Version, ...]:
        """Versions that have a directory here, also deleted ones of which only the manifest is left; by name."""
        return tuple(Version(name) for name in directories(self.root / MODELS / model_name(model), version_name))

    def directory(self, model: Model, version: Version) -> Path:
        """Where a version lies, or would lie."""
        return self.root / MODELS / model_name(model) / version_name(version)

    def publish(
        self,
        model: Model,
        version: Version | None,
        render: Callable[[Version], Mapping[str, bytes]],
        *,
        key: SigningKey,
        created: datetime,
        taken: Iterable[Version] = (),
    ) -> Manifest:
        """Sign and store the files that `render` makes for a version; return its manifest. Whole or absent at any kill.

        version: None takes the next free number; `taken` are numbers used elsewhere (in the journal). The same files
        again return what is there, `created` included. Raises Conflict when the version has other files or is taken.
        One publisher of a model works at a time, others wait; what a killed one left is removed first.
        """
        home = self.root / MODELS / model_name(model)
        durable.make_directory(home)
        with durable.locked(home / LOCK):
            durable.clear_aside_directories(home)
            used = {*self.versions(model), *taken}
            chosen = next_version(used) if version is None else version_name(version)
            manifest, files = _sealed(model, chosen, render(chosen), key=key, created=created)
            target = home / chosen
            if target.exists():
                return _same(target, manifest)
            if chosen in used:
                raise Conflict(f"{model} {chosen}: was published before and is gone; take another version")
            durable.place_directory(target, files)
            return manifest

    def receive(self, files: Mapping[str, bytes], trust: Trust, check: Callable[[Manifest], None]) -> Manifest:
        """Store a version that was published elsewhere, its manifest and signature among `files`, once it verifies.

        check: may raise once the signature holds. The same digest again changes nothing, and puts back what was lost;
        another one is a Conflict. Raises NotVerified before anything is visible.
        """
        for name in (MANIFEST, SIGNATURE):
            if name not in files:
                raise NotVerified(f"{name}: missing")
        manifest = _signed(files[MANIFEST], files[SIGNATURE], trust, where="")
        check(manifest)
        home = self.root / MODELS / manifest.model
        durable.make_directory(home)
        with durable.locked(home / LOCK):
            durable.clear_aside_directories(home)
            if (home / manifest.version).exists():
                return _same_digest(home / manifest.version, manifest)
            with durable.directory_aside(home / manifest.version) as aside:
                for name, content in files.items():
                    durable.write_new(aside / plain_name(name), content)
                verify_directory(aside, trust)
        return manifest

    def strip(self, model: Model, version: Version) -> bool:
        """Remove a deleted version's files; manifest and signature stay, so that its number stays taken.

        Returns whether there was something to remove. Killed on the way, the next call goes on.
        """
        directory = self.directory(model, version)
        if not directory.is_dir():
            return False
        with durable.locked(directory.parent / LOCK):
            surplus = [entry for entry in directory.iterdir() if entry.name not in (MANIFEST, SIGNATURE)]
            for entry in surplus:
                entry.unlink()
            if surplus:
                durable.sync_directory(directory)
        return bool(surplus)

    def verify(self, model: Model, version: Version, trust: Trust) -> VerifiedVersion:
        """Check a version as `verify_directory` does, and that it is the one its path says. Also raises NotFound."""
        directory = self.directory(model, version)
        if not directory.is_dir():
            last = ", ".join(self.versions(model)[-10:]) or "none"
            raise NotFound(
                f"{model} {version}: no such version in the store; there are {last}; `geometry models list` shows all"
            )
        verified = verify_directory(directory, trust)
        found = (verified.manifest.model, verified.manifest.version)
        if found != (model, version):
            raise NotVerified(f"{directory / MANIFEST}: found {found[0]} {found[1]}, wanted {model} {version}")
        return verified


def verify_directory(directory: Path, trust: Trust) -> VerifiedVersion:
    """Check signature, manifest and every file of a version's directory.

    The list of files is closed: a file more is as wrong as one less, and nothing but regular files may lie there.
    Raises NotVerified that names the file, with found and wanted sha256.
    """
    manifest = verify_manifest(directory, trust)
    _check_files(directory, manifest)
    return VerifiedVersion(manifest, directory)


def verify_manifest(directory: Path, trust: Trust) -> Manifest:
    """The manifest of a version's directory, whose files may have been deleted; raises NotVerified."""
    content, signature = (read_regular(directory / name, limit=_SMALL) for name in (MANIFEST, SIGNATURE))
    return _signed(content, signature, trust, where=f"{directory}/")


def is_stripped(directory: Path) -> bool:
    """Whether manifest and signature are all that is left of a version."""
    return {entry.name for entry in directory.iterdir()} == {MANIFEST, SIGNATURE}


def plain_name(name: str) -> str:
    """`name`, or NotVerified when it could mean a file elsewhere."""
    if name in (MANIFEST, SIGNATURE) or PLAIN.fullmatch(name):
        return name
    raise NotVerified(f"found a file called {name!r}, wanted a plain name")


def _signed(content: bytes, signature: bytes, trust: Trust, *, where: str) -> Manifest:
    """The manifest that these bytes are, once its signature holds; raises NotVerified. where: begins messages."""
    keyid, signed = _signature(signature, f"{where}{SIGNATURE}")
    try:
        trust.verify(keyid, signed, content)
        manifest = parse_manifest(content)
    except (NotVerified, InvalidDocument, InvalidName) as error:
        raise NotVerified(f"{where}{MANIFEST}: {error}") from error
    if manifest.digest != sha256(content):
        raise NotVerified(f"{where}{MANIFEST}: found other bytes than this release writes for the same content")
    return manifest


def _sealed(
    model: Model, version: Version, files: Mapping[str, bytes], *, key: SigningKey, created: datetime
) -> tuple[Manifest, Mapping[str, bytes]]:
    entries = tuple(FileEntry(path, len(content), sha256(content)) for path, content in sorted(files.items()))
    content = Manifest(model, version, moment(timestamp(created)), entries).content()
    manifest = parse_manifest(content)  # what no reader would accept is never written
    signature = {"keyid": key.keyid, "signature": base64.b64encode(key.sign(content)).decode()}
    return manifest, {**files, MANIFEST: content, SIGNATURE: canonical_bytes(signature)}


def _same(target: Path, wanted: Manifest) -> Manifest:
    """The manifest in `target` when its files are those of `wanted`; raises Conflict or NotVerified."""
    content = read_regular(target / MANIFEST, limit=_SMALL)
    found = parse_manifest(content)
    if is_stripped(target) and found.files:
        raise was_deleted(found)
    if found.files != wanted.files:
        raise Conflict(
            f"{wanted.model} {wanted.version}: exists with digest {sha256(content)[:12]}, these files make "
            f"{wanted.digest[:12]}; a version never changes, take another one"
        )
    _check_files(target, found)
    durable.sync_directory(target.parent)  # its publisher may have been killed between the rename and this
    return found


def _same_digest(target: Path, wanted: Manifest) -> Manifest:
    """`wanted` when it is whole in `target`; raises Conflict or NotVerified."""
    digest = sha256(read_regular(target / MANIFEST, limit=_SMALL))
    if digest != wanted.digest:
        raise is_another(wanted, digest)
    if is_stripped(target) and wanted.files:
        raise was_deleted(wanted)
    _check_files(target, wanted)
    durable.sync_directory(target.parent)
    return wanted


def was_deleted(manifest: Manifest) -> Conflict:
    """What to say to whoever brings a deleted version."""
    return Conflict(
        f"{manifest.model} {manifest.version}: was deleted and its number stays taken; take another version"
    )


def is_another(manifest: Manifest, digest: str) -> Conflict:
    """What to say to whoever brings another version under the number of the one with `digest`."""
    return Conflict(
        f"{manifest.model} {manifest.version}: exists with digest {digest[:12]}, wanted {manifest.digest[:12]}; a "
        "version never changes, publish it under another number"
    )


def _signature(content: bytes, where: str) -> tuple[str, bytes]:
    try:
        fields = Fields.parse(content, where)
        return fields.text("keyid"), base64.b64decode(fields.text("signature"), validate=True)
    except (InvalidDocument, binascii.Error) as error:
        raise NotVerified(f"{where}: {error}") from error


def _check_files(directory: Path, manifest: Manifest) -> None:
    listed = {entry.path for entry in manifest.files}
    surplus = sorted({entry.name for entry in directory.iterdir()} - listed - {MANIFEST, SIGNATURE})
    if surplus:
        raise NotVerified(f"{directory / surplus[0]}: found a file that {MANIFEST} does not list")
    for entry in manifest.files:
        check_file(directory / entry.path, entry)


def directories(parent: Path, name: Callable[[str], str]) -> list[str]:
    """Sorted names of directories in `parent` that `name` accepts; others (a dot first) are being written."""
    try:
        found = sorted(entry.name for entry in os.scandir(parent) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    return [text for text in found if _accepted(text, name)]


def _accepted(text: str, name: Callable[[str], str]) -> bool:
    try:
        return name(text) == text
    except InvalidName:
        return False
