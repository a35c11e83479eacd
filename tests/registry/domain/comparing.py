"""A comparison of versions 1, in production, and 2."""

from collections.abc import Callable

from registry.domain.journal import Draft, Kind
from tests.registry.domain.builders import QUICK, V1, V2, Installation, idle, traffic

SECONDS = 20


def compare(place: Installation, **changes: object) -> str:
    """Ask for one; return the id of the request."""
    asked = {"id": "c1", "action": "compare", "version": V2, "base": V1, "weight": 50, "seconds": SECONDS}
    place.record(Draft(Kind.REQUESTED, "ann", {**asked, "reason": "which?", "requestedBy": "ann", **changes}))
    return "c1"


def comparing(**changes: object) -> Installation:
    """At its split, the route settled, the first reading taken."""
    place = idle(QUICK)
    compare(place, **changes)
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 0)
    for _ in range(4):
        place.turn()
    return place


def ended(place: Installation, each: Callable[[], None] | None = None) -> Installation:
    """When it is over; until then clean answers every second, or what `each` counts."""
    place.turns(lambda it: it.state.rollout is None, each=each or (lambda: traffic(place)))
    return place
