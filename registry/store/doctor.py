"""Looks at everything an installation keeps and says of each what is wrong and what to do. Repairs nothing."""

import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.domain.errors import NotVerified, RegistryError
from registry.domain.fold import fold
from registry.domain.journal import Anchor, check_anchor
from registry.domain.manifest import MANIFEST
from registry.domain.state import State, VersionState
from registry.domain.version import Model
from registry.store import durable
from registry.store.home import Home
from registry.store.keys import SIGNING_KEY, Trust, load_signing_key
from registry.store.policy import load_policy
from registry.store.versions import LOCK, MODELS, is_stripped, verify_manifest

FREE = 1 << 28
"""Bytes of free space below which a version or a backup may not fit any more: 256 MiB."""


@dataclass(frozen=True)
class Finding:
    """One line. detail: what is there, or what is wrong and what to do."""

    subject: str
    ok: bool
    detail: str


def examine(home: Home, anchors: Mapping[Model, Anchor]) -> Iterator[Finding]:
    """Every finding, in a fixed order; whole journals and all bytes of versions are read. Writes only probes."""
    yield from _volumes(home)
    yield _policy(home)
    yield from _keys(home)
    trust = _trust(home)
    for model in sorted({*home.journals(), *home.versions().models(), *anchors}):
        journal, state = _journal(home, model, anchors.get(model))
        yield journal
        if state is not None and trust is not None:
            yield from _versions(home, state, trust)
        yield from _unfinished(home, model)


def _volumes(home: Home) -> Iterator[Finding]:
    for name, directory in (("volume of the journal", home.journal), ("volume of the store", home.store)):
        if not directory.is_dir():
            yield Finding(name, True, f"{directory}: not there yet")
            continue
        try:
            durable.probe(directory)
        except RegistryError as error:
            yield Finding(name, False, f"{error}; move {directory} to another volume")
            continue
        free = shutil.disk_usage(directory).free
        told = f"{directory}: exclusive link, fsync and rename work; {free >> 20} MiB free"
        yield Finding(name, free >= FREE, told if free >= FREE else f"{told}, wanted {FREE >> 20}: make room")


def _policy(home: Home) -> Finding:
    try:
        policy = load_policy(home.policy)
    except RegistryError as error:
        return Finding("policy", False, f"{error}; until it is mended no model is acted upon")
    return Finding("policy", True, f"sha256 {policy.sha256[:12]}")


def _keys(home: Home) -> Iterator[Finding]:
    try:
        trust = home.trust()
    except RegistryError as error:
        yield Finding("trust list", False, str(error))
        return
    yield Finding("trust list", True, ", ".join(trust.keys))
    path = home.keys / SIGNING_KEY
    if not path.exists():
        yield Finding("signing key", True, "none here: versions are published elsewhere")
        return
    try:
        keyid, mode = load_signing_key(home.keys).keyid, stat.S_IMODE(path.stat().st_mode)
    except RegistryError as error:
        yield Finding("signing key", False, str(error))
        return
    if keyid not in trust.keys:
        yield Finding("signing key", False, f"{keyid} is not in the trust list: nothing it signs is accepted")
    else:
        yield Finding("signing key", True, f"{keyid}, mode {mode:04o}")


def _trust(home: Home) -> Trust | None:
    try:
        return home.trust()
    except RegistryError:
        return None


def _journal(home: Home, model: Model, anchor: Anchor | None) -> tuple[Finding, State | None]:
    """The finding, and the state where the journal can be read."""
    name = f"journal of {model}"
    try:
        entries = home.journal_of(model).read()
        state = fold(model, entries)
    except RegistryError as error:
        remedy = "restore it from a backup (`geometry restore DIR`) after moving it away"
        return Finding(name, False, f"{error}; {remedy}"), None
    try:
        if anchor is not None:
            check_anchor(entries, anchor)
    except RegistryError as error:
        return Finding(name, False, str(error)), state
    return Finding(
        name, True, f"{len(entries)} entries, one chain; acted upon: {anchor.sequence if anchor else 0}"
    ), state


def _versions(home: Home, state: State, trust: Trust) -> Iterator[Finding]:
    store = home.versions()
    unknown = [version for version in store.versions(state.model) if version not in state.versions]
    for version in unknown:
        try:
            store.verify(state.model, version, trust)
        except RegistryError as error:
            remedy = "it is never published; remove it or publish it again"
            yield Finding(f"{state.model} {version}", False, f"{error}; {remedy}")
        else:
            yield Finding(f"{state.model} {version}", True, "whole; the controller publishes it in its next turn")
    for known in state.versions.values():
        yield _version(home, state.model, known, trust)


def _version(home: Home, model: Model, known: VersionState, trust: Trust) -> Finding:
    name, directory = f"{model} {known.version}", home.versions().directory(model, known.version)
    try:
        if known.deleted and not is_stripped(directory):
            return Finding(
                name, False, f"{directory}: deleted, and files are left; a controller removes them at its start"
            )
        if known.deleted:
            digest = verify_manifest(directory, trust).digest
        else:
            digest = home.versions().verify(model, known.version, trust).digest
        if digest != known.digest:
            raise NotVerified(f"{directory / MANIFEST}: found digest {digest[:12]}, wanted {known.digest[:12]}")
    except (RegistryError, OSError) as error:
        remedy = "bring the version back with `geometry models import FILE` or from a backup, after moving it away"
        return Finding(name, False, f"{error}; {remedy}")
    return Finding(name, True, f"{'deleted' if known.deleted else known.stage}, digest {digest[:12]}, signature holds")


def _unfinished(home: Home, model: Model) -> Iterator[Finding]:
    """What killed writers left. It is no harm, and says that somebody was killed."""
    left: list[Path] = durable.unfinished(home.journal / model)
    place = home.store / MODELS / model
    if (place / LOCK).exists():
        try:
            with durable.locked(place / LOCK, wait=False):
                left += durable.unfinished_directories(place)
        except BlockingIOError:
            pass  # somebody publishes now
    for path in left:
        yield Finding("unfinished write", True, f"{path}: of a killed writer; the next one removes it")
