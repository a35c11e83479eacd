"""Files a request and waits for what the journal says about it."""

import fcntl
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from registry.adapters.local.anchors import DIRECTORY, read_anchors
from registry.cli.options import now, say, user
from registry.domain.errors import Refused, Unreachable
from registry.domain.fold import fold
from registry.domain.journal import NO_ANCHOR, Anchor, Entry, Kind, check_anchor
from registry.domain.state import State
from registry.domain.summary import summary
from registry.domain.version import Model
from registry.store.filing import file_request
from registry.store.home import Home

LOOK = 0.2
"""Seconds between two looks at the journal."""

SHOWS = "`geometry status` shows what is awaited, `geometry local logs` what the controller said"

T = TypeVar("T")


def controller_runs(home: Home) -> bool:
    """Whether a controller holds the installation's lock."""
    if not home.lock.exists():
        return False
    with home.lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def require_controller(home: Home) -> None:
    """Raise Unreachable when nobody would act on a request."""
    if not controller_runs(home):
        raise Unreachable(f"{home.root}: no controller runs here; start it with `geometry local up`")


def acted_upon(home: Home, model: Model) -> Anchor:
    """The entry last acted upon, to check a journal by that is read after this: read before, it might look short."""
    return read_anchors(home.root / DIRECTORY).get(model, NO_ANCHOR)


def wait_for(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """Look until there is something; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: nothing after {seconds:g} s; {SHOWS}")
        time.sleep(LOOK)


def ask(home: Home, model: Model, request: Mapping[str, Any], *, seconds: float, by: str | None = None) -> Entry:
    """File a request and return the entry that answers it; raises Refused, Unreachable, JournalDamaged or TimeoutError.

    by: another name than the login's. Nobody checks it on one machine, so the entry keeps the login beside it.
    """
    require_controller(home)
    anchor, journal = acted_upon(home, model), home.journal_of(model)
    if request["action"] != "adopt":  # what else is asked of another journal would never be answered
        check_anchor(journal.read(), anchor)
    actor = {"authenticated": False, **({"login": user()} if by else {})}
    asked = {"id": uuid.uuid4().hex, "model": model, **request, **actor}
    filed = file_request(journal, asked, by=by or user(), now=now())
    return answer_to(home, model, filed.data["id"], seconds=seconds)


def answer_to(home: Home, model: Model, request: str, *, seconds: float) -> Entry:
    """Wait for the entry that answers the request of this id; raises as `ask` does."""
    journal, told = home.journal_of(model), False

    def answer() -> Entry | None:
        nonlocal told
        for entry in journal.read():
            if entry.kind is Kind.STAGED and entry.data.get("promotion") == request and not told:
                told = True
                say(summary(entry))
            if entry.data.get("request") == request:
                return entry
            if entry.kind is Kind.ABORTED and entry.data.get("promotion") == request:
                reason = entry.data["reason"]
                raise Refused(f"withdrawn by {entry.actor}: {reason}; `geometry promote` asks for it anew")
        require_controller(home)
        return None

    entry = wait_for(answer, seconds=seconds, what=f"request {request}")
    if entry.kind is Kind.REFUSED:
        raise Refused(f"refused: {entry.data['reason']}")
    return entry


def follow(
    home: Home, model: Model, *, seconds: float, after: Entry | None = None, tell: Callable[[str], None] = say
) -> State:
    """Tell the entries after `after` (or new ones) until nothing is in progress or waiting; return the state then."""
    journal = home.journal_of(model)
    told = after.sequence if after else len(journal.read())

    def ended() -> State | None:
        nonlocal told
        entries = journal.read()
        for entry in entries[told:]:
            if entry.kind is not Kind.EVIDENCE:
                tell(f"{entry.time:%H:%M:%S} {summary(entry)}")
        told = len(entries)
        state = fold(model, entries)
        if state.rollout is None and not state.requests:
            return state
        require_controller(home)
        return None

    return wait_for(ended, seconds=seconds, what="the rollout")
