"""Approvals: who may say yes to a version, and whether enough others than the requester did."""

from collections.abc import Sequence
from datetime import datetime

from registry.domain.errors import NotFound
from registry.domain.journal import Draft, Kind
from registry.domain.policy import Approvals
from registry.domain.refusal import NO_VERSION, refused
from registry.domain.state import Approval, Request, State
from registry.domain.version import Version


def approve(state: State, request: Request) -> Draft:
    """The entry that records an approval, bound to the digest that the version has in the journal.

    Of another digest it is refused. authenticated: on one machine nobody checks who somebody is, and the entry says so.
    """
    if request.version is None:
        return refused(request, NO_VERSION)
    try:
        digest = state.version(request.version).digest
    except NotFound as error:
        return refused(request, str(error))
    if request.digest not in (None, digest):
        given = f"the approval is for digest {request.digest}"
        return refused(request, f"{given}, version {request.version} has {digest}; look at it and approve that one")
    data = {"version": request.version, "digest": digest, "by": request.by, "reason": request.reason}
    return Draft(Kind.APPROVED, request.by, {**data, "request": request.id, "authenticated": request.authenticated})


def counted(state: State, version: Version, *, by: str, policy: Approvals, now: datetime) -> tuple[Approval, ...]:
    """Approvals of this digest by others than `by` that have not expired, oldest first."""
    digest = state.version(version).digest
    return tuple(
        found
        for found in state.approvals
        if found.digest == digest and found.by != by and (now - found.time).total_seconds() <= policy.expire
    )


def missing(approvals: Sequence[Approval], version: Version, *, by: str, policy: Approvals) -> str | None:
    """What is missing, and who approved already; None where it is enough."""
    lacking = policy.required - len(approvals)
    if lacking <= 0:
        return None
    names = ", ".join(found.by for found in approvals) or "nobody"
    return (
        f"approvals: got {len(approvals)} of {policy.required} ({names}), {lacking} missing; "
        f"others than {by} give one with `geometry approve {version}`, it holds for {policy.expire:g} s"
    )
