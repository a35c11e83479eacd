"""The stages of a version and the only ways between them."""

from collections.abc import Mapping
from enum import StrEnum

from registry.domain.errors import Refused


class Stage(StrEnum):
    """Where a version stands. At most one version of a model is in production, and at most one in staging."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"


TRANSITIONS: Mapping[Stage, frozenset[Stage]] = {
    Stage.DEVELOPMENT: frozenset({Stage.STAGING, Stage.ARCHIVED}),
    # back to development: another version took its place, or its rollout ended without blame
    Stage.STAGING: frozenset({Stage.PRODUCTION, Stage.DEVELOPMENT, Stage.ARCHIVED}),
    Stage.PRODUCTION: frozenset({Stage.ARCHIVED}),
    # to production: a rollback; to staging: another try
    Stage.ARCHIVED: frozenset({Stage.STAGING, Stage.PRODUCTION}),
}


def check_transition(source: Stage, target: Stage) -> None:
    """Raise Refused when a version in `source` may not go to `target`."""
    if target not in TRANSITIONS[source]:
        allowed = ", ".join(sorted(TRANSITIONS[source]))
        raise Refused(f"stage {source} → {target}: not a way a version can go; from {source} it can go to {allowed}")
