"""True classes of images that were answered: which of them count, and what they say of those who answered.

The first label of an image counts, whatever comes later, and a file of labels counts once: both are in the journal.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from registry.domain.answers import SILENT, Answers, Key, pair
from registry.domain.errors import JournalDamaged
from registry.domain.journal import Draft, Entry, Kind
from registry.domain.judge import NOTHING, Evidence, Window
from registry.domain.plan import Plan
from registry.domain.signals import LABELS
from registry.domain.state import LABELS_KEPT, Guarding, Labelled, Rollout, State
from registry.domain.version import Version

AT_MOST = 1000
"""Labels of one file, and so of one entry."""

BATCHES = 500
"""Batches of labels that are remembered at most, whatever is in them."""

MARGIN = 2.0
"""So many times the stable's lone mistakes are unacceptable, at whatever step."""


@dataclass(frozen=True)
class LabelFile:
    """Labels that wait to be recorded. name: never used twice. by: who left them."""

    name: str
    by: str
    labels: tuple[tuple[Key, str], ...]


@dataclass(frozen=True)
class PairCounts:
    """Labelled pairs of a rollout, by who was wrong."""

    both_right: int = 0
    canary_wrong: int = 0
    stable_wrong: int = 0
    both_wrong: int = 0


@dataclass(frozen=True)
class Sorted:
    """Labels of a file: those that count, and how many were of no known answer or came after another of their key."""

    taken: Mapping[Key, str]
    unknown: int
    repeated: int


def labelled(state: State, answers: Mapping[Version, Answers], file: LabelFile | None) -> tuple[Draft, ...]:
    """The entry of a file of labels, once."""
    if file is None or state.has_labels(file.name):
        return ()
    found = _sort(state, answers, file)
    data: dict[str, Any] = {
        "file": file.name,
        "taken": len(found.taken),
        "unknown": found.unknown,
        "repeated": found.repeated,
        "versions": _by_version(answers, found.taken),
        "labels": [list(key) for key in found.taken],
    }
    judged = state.rollout or state.guarding
    if judged is not None and LABELS in judged.plan.floors:
        data["pairs"] = {"version": judged.version, **asdict(_pairs(judged, answers, found.taken))}
    return (Draft(Kind.LABELLED, file.by, data),)


def _sort(state: State, answers: Mapping[Version, Answers], file: LabelFile) -> Sorted:
    had = frozenset().union(*(labels.keys for labels in state.labelled))
    taken: dict[Key, str] = {}
    unknown = repeated = 0
    for key, label in file.labels:
        if key in had or key in taken:
            repeated += 1
        elif all(found.known.get(key) is None for found in answers.values()):
            unknown += 1
        else:
            taken[key] = label
    return Sorted(taken, unknown, repeated)


def _by_version(answers: Mapping[Version, Answers], taken: Mapping[Key, str]) -> dict[str, dict[str, int]]:
    """How often each version was right and wrong."""
    counts: dict[str, dict[str, int]] = {}
    for version, found in answers.items():
        said = [(found.known.get(key), label) for key, label in taken.items()]
        heard = [(answer, label) for answer, label in said if answer is not None]
        if heard:
            right = sum(answer == label for answer, label in heard)
            counts[version] = {"right": right, "wrong": len(heard) - right}
    return counts


def _pairs(judged: Rollout | Guarding, answers: Mapping[Version, Answers], taken: Mapping[Key, str]) -> PairCounts:
    """What the labels say of a version and of the one it is compared with, where both answered."""
    base = judged.base if isinstance(judged, Rollout) else judged.previous
    canary = answers.get(judged.version, SILENT)
    stable = answers.get(base, SILENT) if base is not None else SILENT
    made = [(pair(key, canary, stable), label) for key, label in taken.items()]
    right = Counter((both.canary == label, both.stable == label) for both, label in made if both is not None)
    return PairCounts(
        both_right=right[True, True],
        canary_wrong=right[False, True],
        stable_wrong=right[True, False],
        both_wrong=right[False, False],
    )


def fold_labels(state: State, entry: Entry) -> State:
    """file, labels: [[id, index]], versions: {version: {right, wrong}}; pairs of a rollout, by who was wrong."""
    data, versions = entry.data, dict(state.versions)
    for version, counts in data["versions"].items():
        known = state.version(Version(version))
        right, wrong = known.right + counts["right"], known.wrong + counts["wrong"]
        versions[known.version] = replace(known, right=right, wrong=wrong)
    remembered = _remembered(state.labelled, data["file"], frozenset(Key(*key) for key in data["labels"]))
    state = replace(state, versions=MappingProxyType(versions), labelled=remembered)
    if "pairs" not in data:
        return state
    return _compared(state, data["pairs"])


def _compared(state: State, counts: Mapping[str, Any]) -> State:
    """The evidence of a rollout in progress, or of the window after it, with the pairs that were labelled."""
    rollout, guarding = state.rollout, state.guarding
    if rollout is not None and rollout.version == counts["version"]:
        evidence = _added(rollout.evidence.get(LABELS, NOTHING), rollout.plan, counts)
        found = MappingProxyType({**rollout.evidence, LABELS: evidence})
        return replace(state, rollout=replace(rollout, evidence=found))
    if guarding is not None and guarding.version == counts["version"]:
        return replace(state, guarding=replace(guarding, labels=_added(guarding.labels, guarding.plan, counts)))
    raise JournalDamaged(f"version {counts['version']} is neither in a rollout nor in its rollback window")


def _added(evidence: Evidence, plan: Plan, counts: Mapping[str, Any]) -> Evidence:
    pairs = counts["both_right"] + counts["canary_wrong"] + counts["stable_wrong"] + counts["both_wrong"]
    return evidence.add(
        Window(pairs, counts["canary_wrong"], pairs, counts["stable_wrong"]),
        margin=MARGIN,
        floor=plan.floors[LABELS],
        blocks=LABELS in plan.block,
    )


def _remembered(labelled: tuple[Labelled, ...], file: str, keys: frozenset[Key]) -> tuple[Labelled, ...]:
    """With one more file, without the oldest batches that nobody can ask for any more."""
    full, last = labelled[:-1], labelled[-1] if labelled else Labelled()
    if len(last.files) + len(last.keys) >= AT_MOST:
        full, last = labelled, Labelled()
    batches = (*full, Labelled(last.files | {file}, last.keys | keys))
    while len(batches) > BATCHES or sum(len(batch.keys) for batch in batches[1:]) >= LABELS_KEPT:
        batches = batches[1:]
    return batches
