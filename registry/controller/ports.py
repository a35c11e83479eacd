"""What the controller needs of the world: one loop drives processes on one machine and revisions in a cluster."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from registry.adapters.latency import Subject
from registry.adapters.monitoring import Target
from registry.domain.answers import Answers
from registry.domain.inbox import Told
from registry.domain.journal import Anchor, Draft
from registry.domain.observation import Counters, Endpoint, Latency, ObservedRevision, ObservedRoute
from registry.domain.progress import Ledger
from registry.domain.release import Release
from registry.domain.state import State
from registry.domain.version import Model, Version


class Substrate(Protocol):
    """Runs revisions and routes to them.

    Two never write against each other: where more than one controller can reach the same substrate, a write about a
    model is refused when somebody else wrote since this one asked for its `anchor`.
    """

    @property
    def conflicts(self) -> int:
        """Writes so far that somebody else's overtook; each is tried again."""

    @property
    def proxy_url(self) -> str | None:
        """Where the proxy answers for itself, None where there is no such address."""

    def start(self, now: datetime) -> None:
        """Be ready to observe and apply."""

    def observe(self, model: Model, now: datetime) -> tuple[Mapping[Version, ObservedRevision], ObservedRoute | None]:
        """What runs, and the live route as it is applied; a route of None could not be asked."""

    def anchor(self, model: Model) -> Anchor | None:
        """The journal entry last acted upon, None where there is none. Asked before the journal is read."""

    def endpoints(self, model: Model) -> Mapping[Version, Endpoint]:
        """Where the running revisions answer directly."""

    def staging(self, model: Model) -> Endpoint | None:
        """Where the staging revision answers, once it is the released one, identified and ready."""

    def apply(self, releases: Sequence[Release], now: datetime) -> None:
        """One step towards these releases: pods before weight, weight away before pods, the anchor with the weight.

        Nobody gains weight who is not ready with the release's digest. Models that are not named stay as they are.
        """

    def stop(self, now: datetime) -> None:
        """Let go of everything."""


class Inbox(Protocol):
    """Where requests come from that nobody files in the journal, and where is told what became of them."""

    def look(self) -> None:
        """See all that is asked now. Raises RegistryError; nothing is asked then until the next look."""

    def drafts(self, model: Model, ledger: Ledger, *, adopting: bool = False) -> Sequence[Draft]:
        """`requested` entries for what is asked of a model and its journal does not know. adopting: only requests to
        adopt, as the journal is not the one that was acted upon."""

    def tell(self, told: Told) -> None:
        """Say how far everything got that is asked of a model. Raises RegistryError."""

    def decline(self, known: Collection[Model]) -> None:
        """Say no to whatever names none of these models."""


class Projection(Protocol):
    """Keeps a mirror of the journal fresh, in its own time."""

    def project(self, state: State, now: datetime) -> None:
        """Make the mirror say what `state` says, soon."""

    def stop(self) -> None:
        """End what is on its way."""


class Probe(Protocol):
    """Measures the latency of staging revisions beside the turns."""

    def latency(self, key: str, subject: Subject) -> Latency | None:
        """What was measured for `key`, None as long as that is not known. Returns at once."""


class Outcomes(Protocol):
    """Reads what revisions answered to single images."""

    def answers(self, model: Model, urls: Mapping[Version, str | None]) -> Mapping[Version, Answers]:
        """Of the revisions at these addresses, all that is known by now; those without one are only remembered."""


class Scrape(Protocol):
    """Reads counters of revisions: those that answered, and why the others did not."""

    def __call__(
        self, targets: Sequence[Target], envoy_url: str | None, *, timeout: float
    ) -> tuple[Mapping[Version, Counters], Mapping[Version, str]]: ...
