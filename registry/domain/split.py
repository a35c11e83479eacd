"""A comparison: two versions at a fixed split of the live requests for a fixed time. It ends, and promotes nothing."""

from dataclasses import replace

from registry.domain.options import LONGEST
from registry.domain.plan import Plan
from registry.domain.state import Request, Split, State

HIGHEST = 50
"""Percent: the pods of a rollout are counted up to here, where both versions have as many."""


def wrong_split(state: State, request: Request) -> str | None:
    """What is wrong with a request for a comparison, before anything is asked of its version; None: nothing."""
    split = request.split
    if split is None or split.base is None or request.version is None:
        return "a comparison names no two versions, wanted `geometry models compare BASE CANDIDATE --live`"
    if not isinstance(split.weight, int) or not 1 <= split.weight <= HIGHEST:
        return f"weight {split.weight}, wanted a whole percent from 1 to {HIGHEST}; ask again with --weight"
    if not isinstance(split.seconds, int | float) or not 1 <= split.seconds <= LONGEST:
        return f"{split.seconds} s, wanted at least one and at most {LONGEST:.0f}; ask again with --for"
    if state.production is None:
        return f"nothing is in production to compare with; `geometry promote {split.base} --to production` comes first"
    if split.base != state.production:
        return (
            f"version {split.base} is not in production, version {state.production} is, and the rest of the requests "
            "stays with it; `geometry status` shows it, name it first"
        )
    return None


def plan_of_split(plan: Plan, split: Split) -> Plan:
    """`plan` as that of a comparison. It has the time of a rollout to get ready, and its own on top."""
    return replace(plan, comparison=True, deadline=plan.deadline + split.seconds)
