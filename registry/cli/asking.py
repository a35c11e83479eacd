"""Files a request and waits for what the journal says about it."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from registry.cli.options import say
from registry.cli.places import Place
from registry.domain.errors import Refused
from registry.domain.fold import fold
from registry.domain.journal import Entry, Kind, check_anchor
from registry.domain.state import State
from registry.domain.summary import summary
from registry.domain.version import Model

T = TypeVar("T")


def wait_for(place: Place, look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """Look until there is something; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            shows = f"`geometry status` shows what is awaited, {place.logs} what the controller said"
            raise TimeoutError(f"{what}: nothing after {seconds:g} s; {shows}")
        time.sleep(place.pace)


def ask(place: Place, model: Model, request: Mapping[str, Any], *, seconds: float, by: str | None = None) -> Entry:
    """File a request and return the entry that answers it; raises Refused, Unreachable, JournalDamaged or TimeoutError.

    by: another name than the caller's, where that is allowed.
    """
    return answer_to(place, model, filed(place, model, request, by=by), seconds=seconds)


def filed(place: Place, model: Model, request: Mapping[str, Any], *, by: str | None = None) -> str:
    """File a request that somebody will answer; return the id by which the journal speaks of it. Raises as `ask`."""
    place.require_controller()
    anchor, journal = place.acted_upon(model), place.journal_of(model)
    if request["action"] != "adopt":  # what else is asked of another journal would never be answered
        check_anchor(journal.read(), anchor)
    return place.file(model, request, by=by)


def answer_to(place: Place, model: Model, request: str, *, seconds: float) -> Entry:
    """Wait for the entry that answers the request of this id; raises as `ask` does."""
    journal, told = place.journal_of(model), False

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
        if reason := place.declined(request):
            raise Refused(f"refused: {reason}")
        place.require_controller()
        return None

    entry = wait_for(place, answer, seconds=seconds, what=f"request {request}")
    if entry.kind is Kind.REFUSED:
        raise Refused(f"refused: {entry.data['reason']}")
    return entry


def follow(
    place: Place, model: Model, *, seconds: float, after: Entry | None = None, tell: Callable[[str], None] = say
) -> State:
    """Tell the entries after `after` (or new ones) until nothing is in progress or waiting; return the state then."""
    journal = place.journal_of(model)
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
        place.require_controller()
        return None

    return wait_for(place, ended, seconds=seconds, what="the rollout")
