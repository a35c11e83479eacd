"""How often each end of a rollout is in a journal: a count that a restarted controller goes on with.

Kept beside state and ledger, entry by entry. Of a promotion that goes back in its window both ends count; of a
comparison only what is no orderly end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from registry.domain.account import ENDS, how_ended
from registry.domain.journal import Entry, Kind


@dataclass(frozen=True)
class Tally:
    """ends: how many rollouts were promoted, rolled back, aborted or expired."""

    ends: Mapping[Kind, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(ENDS, 0)))


def tally(entries: Iterable[Entry], before: Tally | None = None) -> Tally:
    """The tally after `entries`, beginning with `before` (of an empty journal by default)."""
    ends = dict((before or Tally()).ends)
    for entry in entries:
        if _counts(entry):
            ends[entry.kind] += 1
    return Tally(MappingProxyType(ends))


def _counts(entry: Entry) -> bool:
    """Not what was withdrawn before a rollout began, nor a comparison whose time was over."""
    return entry.kind in ENDS and "promotion" not in entry.data and how_ended(entry) != "over"
