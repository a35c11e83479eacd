"""The ways of a version between stages."""

import pytest

from registry.domain.errors import Refused
from registry.domain.stages import TRANSITIONS, Stage, check_transition

ALLOWED = {
    ("development", "staging"),
    ("development", "archived"),
    ("staging", "production"),
    ("staging", "development"),
    ("staging", "archived"),
    ("production", "archived"),
    ("archived", "staging"),
    ("archived", "production"),
}


@pytest.mark.parametrize("source", Stage)
@pytest.mark.parametrize("target", Stage)
def test_a_version_goes_only_the_ways_of_the_table(source: Stage, target: Stage) -> None:
    if (source, target) in ALLOWED:
        check_transition(source, target)
        return
    with pytest.raises(Refused, match=f"stage {source} → {target}: not a way a version can go; from {source}"):
        check_transition(source, target)


def test_production_is_reached_from_staging_or_by_a_rollback_only() -> None:
    assert {source for source, targets in TRANSITIONS.items() if Stage.PRODUCTION in targets} == {
        Stage.STAGING,
        Stage.ARCHIVED,
    }
