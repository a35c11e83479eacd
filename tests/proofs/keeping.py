"""Commands that need no controller: publish, export, import, back up, restore. Killed, they are given again."""

import shutil
from pathlib import Path

from registry.domain.answers import Key
from registry.domain.documents import sha256
from registry.domain.errors import RegistryError
from registry.domain.journal import Kind
from registry.domain.version import Version
from registry.store.backup import read_backup, write_backup
from registry.store.home import Home
from registry.store.restore import restore
from registry.store.transfer import export_version, import_version
from tests.fixtures.versions import publish_tiny
from tests.proofs.cluster import Cluster
from tests.proofs.installation import SHAPES, USER, Installation, When, Wish
from tests.proofs.oracle import Violation

BACKUPS, OUTGOING, INCOMING = "backups", "outgoing.tar", "incoming.tar"


def publish(version: str, *, when: When = lambda _: True) -> Wish:
    """What a training does at its end."""
    return Wish(f"publish {version}", lambda place: publish_tiny(place.home.root, version=version), when=when)


def send(version: str, *, when: When = lambda _: True) -> Wish:
    """Export to OUTGOING."""

    def do(place: Installation) -> None:
        export_version(place.home, SHAPES, Version(version), to=place.home.root / OUTGOING)

    return Wish(f"export {version}", do, when=when)


def receive(*, when: When = lambda _: True) -> Wish:
    """Import INCOMING."""
    return Wish("import", lambda place: import_version(place.home, place.home.root / INCOMING), when=when)


def back_up(*, when: When = lambda _: True) -> Wish:
    """Into BACKUPS. Whoever was killed looks first whether there is one."""

    def do(place: Installation) -> None:
        anchors = {model: anchor for model in place.models if (anchor := place.cluster.service(model).anchor)}
        write_backup(place.home, place.home.root / BACKUPS, anchors=anchors, now=place.cluster.now)

    return Wish("backup", do, when=when, done=lambda place: bool(_backups(place.home)))


def label(*, when: When) -> Wish:
    """Say of two images what they are. Whoever was killed looks first whether it is said."""

    def do(place: Installation) -> None:
        place.home.labels_of(SHAPES).add(((Key("one", 0), "circle"), (Key("two", 0), "star")), now=place.cluster.now)

    return Wish("label", do, when=when, done=lambda place: any(labelled_once(place.home)))


def labelled_once(home: Home) -> tuple[int, int]:
    """How often the journal has labels, and how many files of them wait."""
    entries = home.journal_of(SHAPES).read()
    return sum(entry.kind is Kind.LABELLED for entry in entries), len(home.labels_of(SHAPES).files())


def bring_back() -> Wish:
    """Restore the backup that lies in BACKUPS; no controller runs meanwhile."""

    def do(place: Installation) -> None:
        (source,) = _backups(place.home)
        anchors = {model: anchor for model in place.models if (anchor := place.cluster.service(model).anchor)}
        restore(place.home, source, anchors=anchors, by=USER, reason="lost", now=place.cluster.now)

    return Wish("restore", do, alone=True)


def _backups(home: Home) -> list[Path]:
    return sorted((home.root / BACKUPS).glob("[0-9]*Z"))


def make_backup(home: Home, cluster: Cluster) -> None:
    """For a start that has one."""
    anchor = cluster.service(SHAPES).anchor
    write_backup(home, home.root / BACKUPS, anchors={SHAPES: anchor} if anchor else {}, now=cluster.now)


def lose_everything(root: Path, _cluster: Cluster) -> None:
    """All but the keys and the backup; what serves goes on."""
    shutil.rmtree(root / "store")
    shutil.rmtree(root / "journal")
    (root / "policy.yaml").unlink()
    (root / "keys" / "trust.json").unlink()


def lose_the_cluster(root: Path, cluster: Cluster) -> None:
    """And what served is gone too."""
    lose_everything(root, cluster)
    cluster.services.clear()


def await_delivery(root: Path, _cluster: Cluster) -> None:
    """INCOMING has a version 4 of another installation whose key is trusted here."""
    elsewhere = root / "elsewhere"
    shutil.copytree(root / "keys", elsewhere / "keys")
    publish_tiny(elsewhere, version="4")
    export_version(Home(elsewhere), SHAPES, Version("4"), to=root / INCOMING)
    shutil.rmtree(elsewhere)


def alter_the_second(root: Path, _cluster: Cluster) -> None:
    """Version 2 has other bytes than were signed, and so has a version 4 that nobody has seen yet."""
    publish_tiny(root, version="4")
    for version in "24":
        net = root / "store" / "models" / SHAPES / version / "model.tflite"
        content = net.read_bytes()
        net.unlink()  # it is a link to the start's
        net.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def backups_are_whole(home: Home) -> bool:
    """Whether there is one. Each that has a name is proved, and its journals are how those here began."""
    for directory in _backups(home):
        try:
            backup = read_backup(directory, home.trust())
        except RegistryError as error:
            raise Violation(f"backup {directory.name} is not whole: {error}") from error
        for model, entries in backup.entries.items():
            if home.journal_of(model).read()[: len(entries)] != entries:
                raise Violation(f"backup {directory.name} has another journal of {model}")
    return bool(_backups(home))


def sent(home: Home) -> str:
    """What OUTGOING has."""
    return sha256((home.root / OUTGOING).read_bytes()) if (home.root / OUTGOING).exists() else ""
