"""What revisions answered, image by image, read from their `/outcomes` from where the last reading ended.

A revision that cannot be asked, or answers nonsense, is as it was: its answers are read in a later turn.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from registry.adapters.plain import plain_client
from registry.domain.answers import Answers, Key
from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument
from registry.domain.version import Model, Version

CAPACITY = 50_000
"""Answers of one revision that are kept for pairs and labels; the oldest go."""

PAGE = 1000
"""Answers a revision tells at once."""

SECONDS = 0.4
"""For one revision in one turn; what is left is read in the next one."""


@dataclass
class _Heard:
    """One revision. caught_up: everything from before it was asked first is read."""

    cursor: str | None = None
    known: dict[Key, str | None] = field(default_factory=dict)
    caught_up: bool = False


@dataclass
class OutcomeReader:
    """Remembers what was read; a restart forgets it, and then reads what revisions still have. capacity: answers."""

    capacity: int = CAPACITY
    _heard: dict[Model, dict[Version, _Heard]] = field(default_factory=dict)
    _client: httpx.Client = field(default_factory=lambda: plain_client(timeout=SECONDS))

    def answers(self, model: Model, urls: Mapping[Version, str | None]) -> Mapping[Version, Answers]:
        """Ask the revisions at these addresses; those without one are remembered, all others of the model forgotten."""
        before = self._heard.get(model, {})
        heard = self._heard[model] = {version: before.get(version) or _Heard() for version in urls}
        return {version: self._answers(heard[version], url) for version, url in urls.items()}

    def _answers(self, heard: _Heard, url: str | None) -> Answers:
        new: list[Key] = []
        deadline = time.monotonic() + SECONDS
        while url is not None and time.monotonic() < deadline:
            try:
                told, page = self._page(heard, url)
            except (httpx.HTTPError, InvalidDocument):
                break
            new += page
            if told < PAGE:
                heard.caught_up = True
                break
        while len(heard.known) > self.capacity:
            del heard.known[next(iter(heard.known))]
        return Answers(heard.known, tuple(new))

    def _page(self, heard: _Heard, url: str) -> tuple[int, list[Key]]:
        """How many answers were told, and those that are new to everybody."""
        query = {} if heard.cursor is None else {"after": heard.cursor}
        response = self._client.get(f"{url}/outcomes", params=query)
        response.raise_for_status()
        document = Fields.parse(response.content, "outcomes")
        outcomes = document.objects("outcomes")
        told = [(Key(one.text("id"), one.integer("index")), one.text("class")) for one in outcomes if _is_live(one)]
        # All of it is read and right: only now it counts, once.
        if not document.has("lost"):
            heard.caught_up = False  # from the oldest on: it may have been heard before a restart
        heard.cursor = document.text("cursor")
        return len(outcomes), [key for key, name in told if self._keep(heard, key, name)]

    @staticmethod
    def _keep(heard: _Heard, key: Key, name: str) -> bool:
        """Whether it is a new answer; a key that comes again says nothing any more."""
        again = key in heard.known
        heard.known[key] = None if again else name
        return heard.caught_up and not again


def _is_live(outcome: Fields) -> bool:
    return outcome.text("traffic") == "live"
