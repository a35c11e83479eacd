"""Files a request and waits for what the journal says about it."""

import fcntl
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from registry.adapters.local.anchors import DIRECTORY, read_anchors
from registry.cli.options import now, say, user
from registry.domain.awaited import duration
from registry.domain.errors import Refused, Unreachable
from registry.domain.fold import fold
from registry.domain.journal import NO_ANCHOR, Anchor, Entry, Kind, check_anchor
from registry.domain.plan import StepPlan, parse_step
from registry.domain.state import State
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


def summary(entry: Entry) -> str:
    """One line that says what an entry says."""
    data, kind = entry.data, entry.kind
    subject = f"{kind.value.replace('_', ' ')}"
    if data.get("version"):
        subject += f" {data['version']}"
    match kind:
        case Kind.PUBLISHED:
            detail = f"digest {data['digest'][:12]}"
        case Kind.REQUESTED:
            forced = ", forced" if data.get("force") else ""
            against = f"against {data['base']}" if data.get("base") else ""
            subject = f"requested: {data['action']} {data.get('version') or ''} {_to(data)}{against}{forced}"
            detail = data.get("reason", "")
        case Kind.APPROVED:
            detail = f"digest {data['digest'][:12]}" + (f": {data['reason']}" if data["reason"] else "")
        case Kind.STAGED:
            way = "a comparison" if data.get("comparison") else "production"
            detail = f"on the way to {way}" if data.get("promotion") else ""
            detail += _forced(data)
        case Kind.STARTED:
            steps = " → ".join(parse_step(step).name for step in data["plan"]["steps"])
            detail = f"against {data['base']}, {steps or 'at once'}" if data["base"] else "the first version"
            if data["plan"].get("comparison"):
                subject = f"started comparison of {data['version']}"
                detail += f" for {duration(data['plan']['steps'][0]['soak'])}"
            detail += _forced(data)
        case Kind.STEPPED:
            step = StepPlan(data["weight"], 0, data.get("mirror", 0))
            detail = f"{step.name} of live requests" if step.weight or step.mirror else step.name
        case Kind.VERDICT:
            subject = f"verdict on {data['version']}: {data['verdict']}"
            detail = f"{data['reason']}; {data['message']}"
        case Kind.LABELLED:
            detail = f"{data['taken']} taken, {data['unknown']} unknown, {data['repeated']} repeated"
        case Kind.EVIDENCE:
            detail = "of the judge"
        case _:
            detail = data.get("reason", "")
    return f"{' '.join(subject.split())}" + (f" ({detail})" if detail else "")


def _forced(data: Mapping[str, Any]) -> str:
    return f"; FORCED past {', '.join(data['forced'])}: {data['reason']}" if data.get("forced") else ""


def _to(data: Mapping[str, Any]) -> str:
    return f"to {data['to']}" if data.get("to") else ""
