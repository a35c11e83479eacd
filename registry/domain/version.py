"""Names of models, versions and revisions, and the order of versions.

A version is an integer (the default: highest so far + 1) or MAJOR.MINOR.PATCH. It is never reused, and the journal,
not the number, says which one is newer. A revision is a running version; its name must be a DNS label.
"""

import re
from collections.abc import Iterable
from typing import NewType

from registry.domain.errors import InvalidName

Model = NewType("Model", str)
Version = NewType("Version", str)
Revision = NewType("Revision", str)

DEFAULT_MODEL = Model("shapes")

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_VERSION = re.compile(r"[1-9][0-9]*|(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}")
MODEL_LENGTH = 30
VERSION_LENGTH = 12


def model_name(text: str) -> Model:
    """Return `text` as a model's name, or raise InvalidName."""
    if len(text) > MODEL_LENGTH or not _LABEL.fullmatch(text) or text.endswith("-staging"):
        raise InvalidName(
            f"model name {text!r}: wanted a DNS label of at most {MODEL_LENGTH} characters "
            "(a-z, 0-9, dashes, first a letter) that does not end in -staging"
        )
    return Model(text)


def version_name(text: str) -> Version:
    """Return `text` as a version, or raise InvalidName."""
    if len(text) > VERSION_LENGTH or not _VERSION.fullmatch(text):
        raise InvalidName(
            f"version {text!r}: wanted a positive integer or MAJOR.MINOR.PATCH of at most {VERSION_LENGTH} characters"
        )
    return Version(text)


def next_version(taken: Iterable[Version]) -> Version:
    """Highest integer (or MAJOR) so far + 1; `1` when there is none."""
    return Version(str(1 + max((int(version.split(".")[0]) for version in taken), default=0)))


def revision_name(version: Version) -> Revision:
    """`3` → `v3`, `1.0.0` → `v1-0-0`."""
    return Revision("v" + version.replace(".", "-"))
