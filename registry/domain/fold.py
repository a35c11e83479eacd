"""The fold that turns a journal into a state, entry by entry.

Each kind of entry has one function here, and the fields of `data` it reads are named in its docstring. A kind without a
function changes no state.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from registry.domain.drift_record import fold_drift
from registry.domain.errors import JournalDamaged, NotFound
from registry.domain.journal import Entry, Kind
from registry.domain.judge import NOTHING, StartMixture, parse_evidence
from registry.domain.labels import fold_labels
from registry.domain.plan import parse_plan, parse_step
from registry.domain.policy import FP32
from registry.domain.signals import ERRORS, LABELS, RATIO, SIGNALS
from registry.domain.stages import TRANSITIONS, Stage
from registry.domain.state import Approval, Guarding, Request, Rollout, Split, State, VersionState
from registry.domain.version import Model, Version


def fold(model: Model, entries: Iterable[Entry], *, state: State | None = None) -> State:
    """The state after `entries`, beginning with `state` (an empty model by default). Raises JournalDamaged."""
    state = state or State(model)
    for entry in entries:
        step = _FOLDS.get(entry.kind)
        if step is not None:
            try:
                state = step(state, entry)
            except JournalDamaged as error:
                raise JournalDamaged(f"journal entry {entry.sequence} ({entry.kind}): {error}") from error
            except (KeyError, TypeError, ValueError, NotFound) as error:
                raise JournalDamaged(
                    f"journal entry {entry.sequence} ({entry.kind}): {error!s} is wrong there"
                ) from error
        state = replace(state, head=entry.anchor, time=entry.time)
    return state


def _move(state: State, version: Version, stage: Stage) -> State:
    """Put a version into a stage, along TRANSITIONS."""
    current = state.version(version)
    if current.stage is stage:
        return state
    if current.deleted:
        raise JournalDamaged(f"version {version} was deleted, and the journal moves it to {stage}")
    if stage not in TRANSITIONS[current.stage]:
        raise JournalDamaged(
            f"version {version}: the journal moves it from {current.stage} to {stage}, which no rule allows"
        )
    if stage is Stage.PRODUCTION and state.production is not None:
        raise JournalDamaged(f"version {version}: the journal puts it in production beside {state.production}")
    versions = {**state.versions, version: replace(current, stage=stage)}
    staging = None if state.staging == version else state.staging
    production = None if state.production == version else state.production
    return replace(state, versions=MappingProxyType(versions), staging=staging, production=production)


def _published(state: State, entry: Entry) -> State:
    """version, digest."""
    version = Version(entry.data["version"])
    if version in state.versions:
        raise JournalDamaged(f"version {version} is published twice")
    added = VersionState(version, entry.data["digest"], Stage.DEVELOPMENT, entry.sequence, entry.time)
    return replace(state, versions=MappingProxyType({**state.versions, version: added}))


def _requested(state: State, entry: Entry) -> State:
    """id, action; for a promotion: version, to, sourceStage, force, steps; for a comparison: version, base, weight,
    seconds; for an approval: version, digest; for a control: promotion; reason, requestedBy, authenticated."""
    data = entry.data
    version = Version(data["version"]) if data.get("version") else None
    request = Request(
        id=data["id"],
        action=data["action"],
        version=version,
        to=data.get("to", ""),
        source_stage=data.get("sourceStage"),
        reason=data.get("reason", ""),
        by=data["requestedBy"],
        time=entry.time,
        force=bool(data.get("force")),
        steps=tuple(parse_step(step) for step in data["steps"]) if data.get("steps") else None,
        digest=data.get("digest"),
        promotion=data.get("promotion"),
        authenticated=bool(data.get("authenticated")),
        split=_split(data) if data["action"] == "compare" else None,
    )
    return replace(state, requests=(*state.requests, request))


def _split(data: Mapping[str, Any]) -> Split:
    """Whatever is missing or wrong is refused, as it was asked by others."""
    return Split(data.get("base"), data.get("weight", 0), data.get("seconds", 0.0))


def _answered(state: State, entry: Entry) -> State:
    """request: the id of a request, which is no longer waiting."""
    waiting = tuple(request for request in state.requests if request.id != entry.data.get("request"))
    return replace(state, requests=waiting)


def _approved(state: State, entry: Entry) -> State:
    """version, digest, by; request. The same person's word for the same digest counts once, from now on."""
    data = entry.data
    approval = Approval(state.version(Version(data["version"])).version, data["digest"], data["by"], entry.time)
    others = (found for found in state.approvals if (found.digest, found.by) != (approval.digest, approval.by))
    return _answered(replace(state, approvals=(*others, approval)), entry)


def _serving(state: State, version: Version, entry: Entry) -> State:
    """variant and forced: which net of the version serves, and which checks it was let past."""
    variant, forced = entry.data.get("variant", FP32), tuple(entry.data.get("forced", ()))
    changed = replace(state.version(version), variant=variant, forced=forced)
    return replace(state, versions=MappingProxyType({**state.versions, version: changed}))


def _staged(state: State, entry: Entry) -> State:
    """version, variant, forced; request when no rollout follows, else `promotion`: the request it is on the way of.

    The version that was in staging goes back to development. A request on its way was asked from which stage already.
    """
    version = Version(entry.data["version"])
    if state.staging is not None and state.staging != version:
        state = _move(state, state.staging, Stage.DEVELOPMENT)
    requests = tuple(
        replace(request, source_stage=None, staged=entry.time) if request.id == entry.data.get("promotion") else request
        for request in state.requests
    )
    state = _serving(state, version, entry)
    return _answered(replace(_move(state, version, Stage.STAGING), staging=version, requests=requests), entry)


def _started(state: State, entry: Entry) -> State:
    """request, requestedBy, version, variant, forced, base, plan, policy (text and sha256)."""
    if state.rollout is not None:
        raise JournalDamaged(f"rollout of {state.rollout.version} is in progress")
    plan = parse_plan(entry.data["plan"])
    state = _serving(state, Version(entry.data["version"]), entry)
    rollout = Rollout(
        request=entry.data["request"],
        by=entry.data["requestedBy"],
        version=state.version(Version(entry.data["version"])).version,
        base=state.production,
        plan=plan,
        started=entry.time,
    )
    return _answered(replace(state, rollout=rollout, pods=plan.min_replicas), entry)


def _running(state: State) -> Rollout:
    if state.rollout is None:
        raise JournalDamaged("no rollout is in progress")
    return state.rollout


def _stepped(state: State, entry: Entry) -> State:
    """step (index), weight, pods (of production, which the canary's follow); evidence as it goes on. The time of a
    comparison runs on when its canary was away."""
    rollout, step = _running(state), entry.data["step"]
    if not 0 <= step < len(rollout.plan.steps):
        raise JournalDamaged(f"step {step} of a rollout with {len(rollout.plan.steps)} steps")
    evidence = rollout.evidence
    if step != rollout.step:
        evidence = MappingProxyType({name: found.next_step() for name, found in evidence.items()})
    began = (rollout.plan.comparison and rollout.stepped) or entry.time
    stepped = replace(rollout, step=step, stepped=began, withheld=False, evidence=evidence, verdict=None)
    return replace(state, rollout=stepped, pods=entry.data.get("pods", state.pods))


def _at_rest(state: State) -> State:
    """Production's pods no longer follow from what it had at a step, but from what the policy wants at least."""
    found = state.rollout or state.guarding
    return state if found is None else replace(state, pods=found.plan.min_replicas)


def _withheld(state: State, entry: Entry) -> State:  # noqa: ARG001 - all folds have one signature
    return replace(state, rollout=replace(_running(state), withheld=True))


def _evidence(state: State, entry: Entry) -> State:
    """per signal `Evidence.document` in a rollout; guard: {windows, logs, good, bad} in a rollback window.

    What labels say is in their own entries, and only told here.
    """
    if ERRORS in entry.data:
        rollout = _running(state)
        found = {name: parse_evidence(entry.data[name]) for name in (*SIGNALS, RATIO) if name in entry.data}
        found |= {LABELS: rollout.evidence[LABELS]} if LABELS in rollout.evidence else {}
        return replace(state, rollout=replace(rollout, evidence=MappingProxyType(found)))
    if state.guarding is None:
        raise JournalDamaged("no rollback window is open")
    seen = entry.data["guard"]
    guarding = replace(
        state.guarding,
        mixture=StartMixture(seen["windows"], tuple(seen["logs"])),
        good=seen["good"],
        bad=seen["bad"],
    )
    return replace(state, guarding=guarding)


def _verdict(state: State, entry: Entry) -> State:
    """verdict, reason; closed when it ends the rollback window (numbers and message are for people)."""
    verdict = (entry.data["verdict"], entry.data["reason"])
    if entry.data.get("closed"):
        return replace(_at_rest(state), guarding=None)
    if state.rollout is not None:
        return replace(state, rollout=replace(state.rollout, verdict=verdict))
    if state.guarding is not None:
        return replace(state, guarding=replace(state.guarding, verdict=verdict))
    return state


def _promoted(state: State, entry: Entry) -> State:
    """version. Production changes here; the old version is archived and stays at weight 0 for the rollback window."""
    rollout, old = _running(state), state.production
    if rollout.version != entry.data["version"]:
        raise JournalDamaged(f"the rollout is of {rollout.version}, not of {entry.data['version']}")
    if old is not None:
        state = _move(state, old, Stage.ARCHIVED)
    state = _move(state, rollout.version, Stage.PRODUCTION)
    labels = rollout.evidence.get(LABELS, NOTHING)
    guarding = Guarding(rollout.version, old, rollout.plan, rollout.started, entry.time, labels)
    return replace(state, production=rollout.version, previous=old, rollout=None, guarding=guarding)


def _rolled_back(state: State, entry: Entry) -> State:
    """version (the one that goes), to (the one that serves now, or null); request when one asked for it.

    What was rolled back from is not what a later rollback returns to: it gets traffic again by a promotion only.
    """
    state, version = _answered(state, entry), Version(entry.data["version"])
    if state.rollout is not None:
        if state.rollout.version != version:
            raise JournalDamaged(f"the rollout is of {state.rollout.version}, not of {version}")
        return replace(_move(_at_rest(state), version, Stage.ARCHIVED), rollout=None)
    old = Version(entry.data["to"])
    state = _move(_move(_at_rest(state), version, Stage.ARCHIVED), old, Stage.PRODUCTION)
    return replace(state, production=old, previous=None, guarding=None)


def _withdrawn(state: State, entry: Entry) -> State:
    """version; request when one asked for it. No blame: a version in staging is in development again."""
    state = _answered(state, entry)
    version = _running(state).version
    if state.version(version).stage is Stage.STAGING:
        state = _move(state, version, Stage.DEVELOPMENT)
    return replace(_at_rest(state), rollout=None)


def _aborted(state: State, entry: Entry) -> State:
    """As `_withdrawn`; before a rollout began, `promotion` is the request that is withdrawn."""
    if "promotion" not in entry.data:
        return _withdrawn(state, entry)
    waiting = tuple(request for request in state.requests if request.id != entry.data["promotion"])
    return _answered(replace(state, requests=waiting), entry)


def _paused(state: State, entry: Entry) -> State:
    """request. The soak stands still from here on."""
    rollout = _running(state)
    if rollout.paused is not None:
        raise JournalDamaged(f"rollout of {rollout.version} is paused already")
    return _answered(replace(state, rollout=replace(rollout, paused=entry.time)), entry)


def _resumed(state: State, entry: Entry) -> State:
    """request. The step began later by as long as it was paused."""
    rollout = _running(state)
    if rollout.paused is None:
        raise JournalDamaged(f"rollout of {rollout.version} is not paused")
    stepped = rollout.stepped
    if stepped is not None:
        stepped += entry.time - max(rollout.paused, stepped)
    return _answered(replace(state, rollout=replace(rollout, paused=None, stepped=stepped)), entry)


def _archived(state: State, entry: Entry) -> State:
    """version; request when one asked for it."""
    return _answered(_move(state, Version(entry.data["version"]), Stage.ARCHIVED), entry)


def _deleted(state: State, entry: Entry) -> State:
    """version; request when one asked for it. Only what is archived is deleted; nobody rolls back to it any more."""
    version = Version(entry.data["version"])
    found = state.version(version)
    if found.stage is not Stage.ARCHIVED or found.deleted:
        raise JournalDamaged(f"version {version} is {'deleted' if found.deleted else found.stage} and is deleted")
    versions = MappingProxyType({**state.versions, version: replace(found, deleted=True)})
    previous = None if state.previous == version else state.previous
    return _answered(replace(state, versions=versions, previous=previous), entry)


def _restored(state: State, entry: Entry) -> State:  # noqa: ARG001 - all folds have one signature
    """No field. What was asked before a restore is never taken: it was meant for a later state than this one."""
    return replace(state, requests=())


_FOLDS: Mapping[Kind, Callable[[State, Entry], State]] = {
    Kind.PUBLISHED: _published,
    Kind.REQUESTED: _requested,
    Kind.REFUSED: _answered,
    Kind.STAGED: _staged,
    Kind.STARTED: _started,
    Kind.STEPPED: _stepped,
    Kind.WITHHELD: _withheld,
    Kind.EVIDENCE: _evidence,
    Kind.VERDICT: _verdict,
    Kind.PROMOTED: _promoted,
    Kind.ROLLED_BACK: _rolled_back,
    Kind.APPROVED: _approved,
    Kind.PAUSED: _paused,
    Kind.RESUMED: _resumed,
    Kind.ABORTED: _aborted,
    Kind.EXPIRED: _withdrawn,
    Kind.ARCHIVED: _archived,
    Kind.DELETED: _deleted,
    Kind.ADOPTED: _answered,
    Kind.RESTORED: _restored,
    Kind.LABELLED: fold_labels,
    Kind.DRIFT: fold_drift,
}
