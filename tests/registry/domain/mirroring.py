"""A canary that gets copies of live requests, and what both versions answered."""

from registry.domain.policy import Policy, Step
from tests.registry.domain.builders import QUICK, V1, V2, Installation, stepping, with_policy

MIRRORED = with_policy(QUICK, steps=(Step(0, 20, mirror=100), Step(50, 5)))
BLOCKED = with_policy(MIRRORED, block=("labels",))
AGREEING = with_policy(MIRRORED, agreement=0.95)


def mirrored(policy: Policy = MIRRORED) -> Installation:
    """Version 2 gets copies of what version 1 answers."""
    return stepping(policy)


def answer(place: Installation, name: str, *, canary: str, stable: str, pairs: int) -> dict[str, str]:
    """So many answers of both to images that are circles; returns the labels."""
    ids = [f"{name}{number}" for number in range(pairs)]
    place.say(V2, **dict.fromkeys(ids, canary))
    place.say(V1, **dict.fromkeys(ids, stable))
    return dict.fromkeys(ids, "circle")
