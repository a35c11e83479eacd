"""What a mirror of the journal shall say of a model, for people who look there: a pure function of the journal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from registry.domain.documents import timestamp
from registry.domain.fold import fold
from registry.domain.journal import Entry, Kind
from registry.domain.state import State
from registry.domain.version import Model, Version

VERSION_TAG, DIGEST_TAG, STAGE_TAG, PROMOTION_TAG = "version", "digest", "stage", "promotion"


@dataclass(frozen=True)
class Mirrored:
    """tags: per version. aliases: who has each of ours; None for one that nobody has."""

    model: Model
    tags: Mapping[Version, Mapping[str, str]]
    aliases: Mapping[str, Version | None]

    def digest(self, version: Version) -> str:
        """The identity of a version everywhere."""
        return self.tags[version][DIGEST_TAG]


def aliases(state: State) -> Mapping[str, Version | None]:
    """Versions by the part they play. canary: of the rollout in progress, gone when that ends."""
    return {
        "production": state.production,
        "staging": state.staging,
        "previous": state.previous,
        "canary": state.rollout.version if state.rollout is not None else None,
    }


def mirrored(model: Model, entries: Sequence[Entry]) -> Mirrored:
    """What a mirror shall say after `entries`. Raises JournalDamaged.

    promotion: how the version came to where it is, as in `production by ann at 2026-03-01T12:00:00.000Z, entry 17
    (promoted)`: whoever asked for it, or who decided where nobody asked.
    """
    state, arrived = State(model), dict[Version, str]()
    for state, versions, told in _arrivals(model, entries):
        arrived |= {version: f"{state.versions[version].stage} {told}" for version in versions}
    tags = {
        version: {
            VERSION_TAG: version,
            DIGEST_TAG: found.digest,
            STAGE_TAG: found.stage.value,
            PROMOTION_TAG: arrived[version],
        }
        for version, found in state.versions.items()
    }
    return Mirrored(model, MappingProxyType(tags), MappingProxyType(aliases(state)))


def _arrivals(model: Model, entries: Sequence[Entry]) -> Iterator[tuple[State, list[Version], str]]:
    """After each entry: the state, the versions that it moved, and by whom, when and which entry it was."""
    state, asked = State(model), dict[str, str]()
    for entry in entries:
        before, state = state, fold(model, [entry], state=state)
        if entry.kind is Kind.REQUESTED:
            asked[entry.data["id"]] = entry.actor
        moved = [] if state.versions is before.versions else list(_moved(before, state))
        who = asked.get(entry.data.get("request") or entry.data.get("promotion") or "", entry.actor)
        if entry.kind is Kind.PROMOTED and before.rollout is not None:
            who = before.rollout.by
        yield state, moved, f"by {who} at {timestamp(entry.time)}, entry {entry.sequence} ({entry.kind})"


def _moved(before: State, after: State) -> Iterator[Version]:
    for version, found in after.versions.items():
        known = before.versions.get(version)
        if known is None or (known.stage, known.deleted) != (found.stage, found.deleted):
            yield version
