"""The entry that says no, the same for every request, and words that several of them need."""

from collections.abc import Sequence
from dataclasses import asdict

from registry.domain.checklist import CheckResult
from registry.domain.journal import Draft, Kind
from registry.domain.state import Request, State
from registry.domain.turn import CONTROLLER
from registry.domain.version import Version

NO_VERSION = "no version was named, wanted one of those that `geometry models list` shows"
NOTHING_TO_ADOPT = (
    "the journal is the one that was acted upon, and adopt is for another one; there is nothing to adopt, "
    "`geometry history` shows what it says"
)


def refused(request: Request, reason: str, results: Sequence[CheckResult] = ()) -> Draft:
    """Why `request` is refused, with what the checklist found where it was asked."""
    data = {
        "request": request.id,
        "version": request.version,
        "to": request.to,
        "reason": reason,
        "checks": [asdict(result) for result in results],
    }
    return Draft(Kind.REFUSED, CONTROLLER, data)


def on_its_way(version: Version) -> str:
    """Why nothing is rolled back while an earlier rollback is in progress."""
    return f"production is on its way back to {version} already; `geometry status -w` shows how far it is"


def none_before(state: State) -> str:
    """Why there is nothing to roll back to."""
    found = f"version {state.production} is in production" if state.production else "nothing is in production"
    return (
        f"{found} and there is no version before to roll back to; "
        "`geometry promote VERSION --to production` puts another one there"
    )
