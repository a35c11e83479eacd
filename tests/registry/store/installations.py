"""Installations whose journals a controller could have written, for what copies and checks them."""

from pathlib import Path

from registry.domain.journal import Anchor, Draft, Kind
from registry.domain.version import Model
from registry.store.home import Home
from tests.fixtures.versions import CREATED, publish_tiny

SHAPES = Model("shapes")


def installation(root: Path, *, versions: int = 2) -> Home:
    """Versions in the store and in the journal, a policy; the last one archived and deleted."""
    home = Home(root)
    drafts = []
    for _ in range(versions):
        manifest = publish_tiny(root)
        drafts.append(Draft(Kind.PUBLISHED, "controller", {"version": manifest.version, "digest": manifest.digest}))
    gone = {"version": str(versions), "reason": "old"}
    drafts += [Draft(Kind.ARCHIVED, "ann", gone), Draft(Kind.DELETED, "ann", gone)]
    home.policy.write_text("schema: 1\n")
    home.journal_of(SHAPES).append(drafts, head=None, now=CREATED)
    home.versions().strip(SHAPES, home.versions().versions(SHAPES)[-1])
    return home


def head(home: Home) -> Anchor:
    return home.journal_of(SHAPES).read()[-1].anchor


def files(root: Path) -> dict[str, bytes]:
    """Everything below `root`, without locks."""
    found = (path for path in root.rglob("*") if path.is_file() and path.name not in (".lock", "controller.lock"))
    return {str(path.relative_to(root)): path.read_bytes() for path in found}
