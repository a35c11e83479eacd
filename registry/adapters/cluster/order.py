"""The order of the writes of a rollout, as pure functions: what the InferenceService and the route shall say next.

Going up, pods come before weight; going down, weight leaves before pods. Predictor and canary are swapped when the
gateway has given the new version everything, which restarts no pod.

    release, present ──► revisions(…)  the entries of the InferenceService, the stable one first
                    └──► routed(…)     what the route may say now, None while it must not be written
                         └──► shares(…)    by which percents, and who has a trace of the requests beside them
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from registry.adapters.cluster.routing import ALL
from registry.adapters.cluster.sight import Entry
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import Version


@dataclass(frozen=True)
class Present:
    """A model in the cluster now.

    entries: of its InferenceService, the stable one first. told: weights as its route is written, None without a
    route. applied: those of them that a gateway has taken, None while that is not known. ready: ready pods of each
    revision that has a Service. proven: versions whose pods said the right digest. idle: versions that had no weight
    and no live request for long enough. traced: versions that have a trace of the requests as the route is written.
    warm: those of them that have had it for long enough.
    """

    entries: tuple[Entry, ...] = ()
    told: Mapping[Version, int] | None = None
    applied: Mapping[Version, int] | None = None
    ready: Mapping[Version, int] | None = None
    proven: frozenset[Version] = frozenset()
    idle: frozenset[Version] = frozenset()
    traced: frozenset[Version] = frozenset()
    warm: frozenset[Version] = frozenset()

    def weight(self, version: Version) -> int:
        """Percent that the route is written with."""
        return (self.told or {}).get(version, 0)

    def pods(self, version: Version) -> int | None:
        """Ready pods; None while there is no Service."""
        return (self.ready or {}).get(version)


def revisions(release: Release, present: Present) -> tuple[RevisionRelease, ...]:
    """The entries that the InferenceService shall have now, the stable one first; none when nothing shall run.

    Who left the release stays, at weight 0 and with all its pods, until it is idle; what no release ever wanted goes.
    """
    wanted = {revision.version: revision for revision in release.live}
    kept = {
        entry.version: without_weight(entry, _kept(entry, present))
        for entry in present.entries
        if entry.digest and entry.version not in wanted and entry.version not in present.idle
    }
    every = {**wanted, **kept}
    first = _stable(release, present, every)
    if first is None:
        return ()
    pods = release.stable.replicas if release.stable else every[first].replicas
    canaries = tuple(_canary(found, present) for version, found in every.items() if version != first)
    beside = sum(present.pods(canary.version) or 0 for canary in canaries)
    most = max((canary.replicas for canary in canaries), default=0)
    stable = replace(every[first], replicas=max(pods, most) + beside)
    return (stable, *canaries)


def without_weight(entry: Entry, pods: int) -> RevisionRelease:
    """An entry that left the release, with so many pods."""
    return RevisionRelease(entry.version, entry.digest, 0, pods, variant=entry.variant)


def _kept(entry: Entry, present: Present) -> int:
    """Pods of one that left the release: a stable entry's number counts those of its canaries, its own are there."""
    own = present.pods(entry.version) if entry == present.entries[0] else None
    return min(own or entry.replicas, entry.replicas)


def _stable(release: Release, present: Present, every: Mapping[Version, RevisionRelease]) -> Version | None:
    """Which version is the predictor: the one that is, until the release's has all requests."""
    wanted = release.stable.version if release.stable else None
    first = present.entries[0].version if present.entries else None
    if first not in every:
        return wanted
    if wanted is None or (present.applied or {}).get(wanted) == ALL:
        return wanted or first
    return first


def _canary(revision: RevisionRelease, present: Present) -> RevisionRelease:
    """With the pods that it has, as long as the gateway may still send to it."""
    had = next((entry.replicas for entry in present.entries[1:] if entry.version == revision.version), 0)
    return revision if revision.version in present.idle else replace(revision, replicas=max(revision.replicas, had))


def routed(release: Release, present: Present) -> Release | None:
    """The release as the live route may be written now; None while somebody who gains weight is not ready for it.

    Canaries that have neither weight nor a Service yet are left out.
    """
    known = [
        canary
        for canary in release.canaries
        if canary.weight
        or canary.mirror
        or present.pods(canary.version) is not None
        or canary.version in (present.told or {})
    ]
    release = replace(release, canaries=tuple(known))
    gains = [found for found in release.live if found.mirror or found.weight > present.weight(found.version)]
    return release if all(_able(found, release, present) for found in gains) else None


def shares(release: Release, present: Present) -> tuple[Mapping[Version, int], frozenset[Version]]:
    """Percents of a route that may be written, and who has a trace of the requests beside them.

    Whoever gets the first requests has a trace of them before, as long as the others can answer meanwhile; and whoever
    lost them has one after, while it has pods: until the proxies know, or as long as it may get some again.
    """
    told = {version: weight for version, weight in (present.told or {}).items() if weight}
    first = {
        found.version
        for found in release.live
        if found.weight and not present.weight(found.version) and found.version not in present.warm
    }
    if not any(present.pods(version) for version in told):
        first = set()
    percents = told if first else release.weights
    had = told.keys() | present.traced
    kept = {found.version for found in release.live} | (had - present.warm)
    lost = {version for version in had & kept if not percents.get(version) and present.pods(version)}
    return percents, frozenset(first | lost)


def leaving(release: Release, present: Present) -> frozenset[Version]:
    """Versions that shall lose all their requests: the route is written before anything else is."""
    told = (present.told or {}).items()
    return frozenset(version for version, weight in told if weight and not release.weights.get(version))


def _able(revision: RevisionRelease, release: Release, present: Present) -> bool:
    """Whether a revision may get more requests: its pods are there and say the release's digest.

    Taking all requests away from a version waits for no pods of who gets them, only for the right digest. A promotion
    does wait: there the version that loses them stays in the release, to roll back to.
    """
    if revision.version not in present.proven:
        return False
    left = leaving(release, present)
    if present.entries and present.entries[0].version == revision.version:
        needed = 0 if left else 1
    else:
        stays = {found.version for found in release.live}
        needed = 0 if left and not left & stays else revision.replicas
    return (present.pods(revision.version) or 0) >= needed
