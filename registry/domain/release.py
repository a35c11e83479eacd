"""A release: what the substrate shall be now. A pure function of the journal (`state.release`), the same for processes
on one machine and for KServe in a cluster."""

from dataclasses import dataclass

from registry.domain.journal import Anchor
from registry.domain.policy import FP32
from registry.domain.version import Model, Revision, Version, revision_name


@dataclass(frozen=True)
class RevisionRelease:
    """One running version. weight: integer percent of live requests. replicas: wanted pods (locally one process).

    mirror: percent of live requests it gets copies of; never beside a weight. variant: which of its nets it serves.
    """

    version: Version
    digest: str
    weight: int
    replicas: int
    mirror: int = 0
    variant: str = FP32

    @property
    def name(self) -> Revision:
        return revision_name(self.version)


@dataclass(frozen=True)
class Release:
    """Revisions and route of one model.

    stable and canaries share the live route: their weights sum to 100, or to 0 while nothing serves yet (then there is
    no live route). staging is a service of its own, reached by the test route only. anchor: the journal entry this
    release was made from; it is written with the route.
    """

    model: Model
    stable: RevisionRelease | None
    canaries: tuple[RevisionRelease, ...]
    staging: RevisionRelease | None
    anchor: Anchor

    @property
    def live(self) -> tuple[RevisionRelease, ...]:
        """Stable and canaries, stable first."""
        return (self.stable, *self.canaries) if self.stable else self.canaries

    @property
    def weights(self) -> dict[Version, int]:
        """Percent of live requests per version; empty while there is no live route."""
        weights = {revision.version: revision.weight for revision in self.live}
        return weights if sum(weights.values()) else {}
