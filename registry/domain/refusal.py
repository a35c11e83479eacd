"""The entry that says no, the same for every request."""

from collections.abc import Sequence
from dataclasses import asdict

from registry.domain.checklist import CheckResult
from registry.domain.journal import Draft, Kind
from registry.domain.state import Request
from registry.domain.turn import CONTROLLER


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
