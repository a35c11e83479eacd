"""Doctor finds what is wrong, names it and says what to do; an installation in order is told line by line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.domain.journal import Anchor
from registry.store import durable
from registry.store.doctor import Finding, examine
from registry.store.home import Home
from registry.store.keys import generate_key
from tests.fixtures.versions import publish_tiny
from tests.registry.store.installations import SHAPES, files, head, installation


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return installation(tmp_path / "home")


def wrong(home: Home, anchors: dict[str, Anchor] | None = None) -> list[Finding]:
    return [finding for finding in examine(home, anchors or {}) if not finding.ok]


def test_what_is_in_order_is_told_line_by_line_and_left_as_it_is(home: Home) -> None:
    before = files(home.root)
    found = list(examine(home, {SHAPES: head(home)}))
    assert [finding.subject for finding in found if finding.ok] == [
        *("volume of the journal", "volume of the store", "policy", "trust list", "signing key"),
        *("journal of shapes", "shapes 1", "shapes 2"),
    ]
    assert files(home.root) == before


def test_an_empty_home_lacks_a_trust_list_only(tmp_path: Path) -> None:
    assert [finding.subject for finding in wrong(Home(tmp_path / "none"))] == ["trust list"]
    assert not (tmp_path / "none").exists()


def torn(home: Home) -> None:
    path = home.journal / "shapes" / "000002.json"
    path.write_bytes(path.read_bytes()[:40])


def altered(home: Home) -> None:
    path = home.journal / "shapes" / "000003.json"
    path.write_bytes(path.read_bytes().replace(b"ann", b"bob"))


def foreign(home: Home) -> None:
    path = home.journal / "shapes" / "000002.json"
    path.write_bytes(path.read_bytes().replace(b'"published"', b'"surprised"'))


def broken(home: Home) -> None:
    (home.versions().directory(SHAPES, "1") / "model.tflite").write_bytes(b"!")


def lost(home: Home) -> None:
    shutil.rmtree(home.versions().directory(SHAPES, "1"))


def replaced(home: Home) -> None:
    lost(home)
    publish_tiny(home.root, version="1", flip=True)


def not_deleted(home: Home) -> None:
    (home.versions().directory(SHAPES, "2") / "model.tflite").write_bytes(b"still here")


def unpublishable(home: Home) -> None:
    (home.versions().directory(SHAPES, "3")).mkdir()


def readable(home: Home) -> None:
    (home.keys / "signing.key").chmod(0o644)


def untrusted(home: Home) -> None:
    other = Home(home.root.parent / "other")
    generate_key(other.keys)
    shutil.copy(other.keys / "signing.key", home.keys / "signing.key")


def misspelt(home: Home) -> None:
    home.policy.write_text("rollout: {stepz: []}")


@pytest.mark.parametrize(("harm", "subject", "told"), [
    (torn, "journal of shapes", "000002.json: torn or altered"), (altered, "journal of shapes", "entry 3: was altered"),
    (foreign, "journal of shapes", "kind 'surprised' is unknown"), (broken, "shapes 1", "model.tflite: found 1 bytes"),
    (lost, "shapes 1", "geometry models import"), (replaced, "shapes 1", "found digest"),
    (not_deleted, "shapes 2", "deleted, and files are left"), (unpublishable, "shapes 3", "manifest.json: missing"),
    (readable, "signing key", "chmod 600"), (untrusted, "signing key", "not in the trust list"),
    (misspelt, "policy", "stepz"),
])  # fmt: skip
def test_harm_is_found_and_named_with_what_to_do(
    harm: Callable[[Home], None], subject: str, told: str, home: Home
) -> None:
    harm(home)
    found = wrong(home)
    assert [finding.subject for finding in found] == [subject]
    assert told in found[0].detail


def test_a_journal_that_is_not_the_one_acted_upon_is_found(home: Home) -> None:
    (found,) = wrong(home, {SHAPES: Anchor(9, "0" * 64)})
    assert (found.subject, "geometry adopt --reason" in found.detail) == ("journal of shapes", True)


def test_a_journal_that_is_gone_is_found_by_its_anchor(home: Home) -> None:
    anchors = {SHAPES: head(home)}
    shutil.rmtree(home.journal)
    assert "found no entries" in wrong(home, anchors)[0].detail


def test_unfinished_writes_are_named_and_are_no_fault(home: Home) -> None:
    aside, publishing = home.journal / "shapes" / ".aside-12", home.store / "models" / "shapes" / ".aside-3"
    aside.touch()
    publishing.mkdir()
    found = [finding for finding in examine(home, {}) if finding.subject == "unfinished write"]
    assert [(finding.ok, str(path) in finding.detail) for finding, path in zip(found, (aside, publishing), strict=True)]
    with durable.locked(aside), durable.locked(publishing.parent / ".lock"):
        assert all(finding.subject != "unfinished write" for finding in examine(home, {}))


def test_a_volume_that_cannot_link_is_found(home: Home) -> None:
    shutil.rmtree(home.journal)
    home.journal.symlink_to("/proc/self/fd")
    assert "volume unfit" in wrong(home)[0].detail
