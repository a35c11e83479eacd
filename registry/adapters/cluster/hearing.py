"""What the pods of revisions answered to single images, as one answer of each revision.

A request goes to one pod of a revision, so that what a revision knows is what its pods know together. Pods that are
gone are remembered for a while: the other revision's answer to the same request may come later.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from registry.adapters.cluster.counting import Answering
from registry.adapters.outcomes import OutcomeReader
from registry.domain.answers import Answers, Key
from registry.domain.version import Model, Version

CAPACITY = 20_000
"""Answers of one pod that are kept; twice what it keeps itself."""

GONE = 8
"""Pods of a revision that are remembered after their end."""

Pods = dict[str, OutcomeReader]


@dataclass
class PodOutcomes:
    """Reads `/outcomes` of every pod of a revision; `find` says which those are."""

    find: Callable[[Model, Version], Answering]
    _heard: dict[Model, dict[Version, Pods]] = field(default_factory=dict)

    def answers(self, model: Model, urls: Mapping[Version, str | None]) -> Mapping[Version, Answers]:
        """Of these revisions, all that is known by now; all others of the model are forgotten."""
        before = self._heard.get(model, {})
        heard = self._heard[model] = {version: before.get(version) or {} for version in urls}
        found: dict[Version, Mapping[str, str]] = {version: self.find(model, version).pods for version in urls}
        for version, pods in found.items():
            _renew(heard[version], pods)
        asked = [(version, pod, reader) for version, pods in heard.items() for pod, reader in pods.items()]

        def ask(version: Version, pod: str, reader: OutcomeReader) -> Answers:
            address = found[version].get(pod)
            return reader.answers(model, {version: f"http://{address}" if address else None})[version]

        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="outcomes") as pool:
            told = list(pool.map(lambda one: ask(*one), asked))
        return {
            version: together(answers for (of, _, _), answers in zip(asked, told, strict=True) if of == version)
            for version in urls
        }


def _renew(heard: Pods, pods: Iterable[str]) -> None:
    """Readers for new pods; of those that are gone the latest stay."""
    for pod in pods:
        heard.setdefault(pod, OutcomeReader(capacity=CAPACITY))
    gone = [pod for pod in heard if pod not in set(pods)]
    for pod in gone[:-GONE]:
        del heard[pod]


def together(every: Iterable[Answers]) -> Answers:
    """What several pods know. An image that two of them answered says nothing: the gateway tried again."""
    known: dict[Key, str | None] = {}
    new: list[Key] = []
    for answers in every:
        for key, name in answers.known.items():
            known[key] = None if key in known else name
        new += answers.new
    return Answers(known, tuple(key for key in new if known.get(key) is not None))
