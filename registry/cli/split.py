"""`geometry models compare BASE CANDIDATE --live`: two versions at a fixed split of the live requests.

`-o json` and `-o yaml` print one object when it has ended; rates and differences are fractions:

    {model, base, candidate, weight, seconds, started, ended,
     outcome: "over", "aborted", "rolled back" or "expired", reason: text, confidence: .95,
     signals: {errors|latency|refused|low_confidence: {base, candidate: {bad, exposure, rate: null or number},
       ratio: {value: null or number, low, high: null or number}, difference: {low, high},
       equalLoad, better: null, "base" or "candidate"}}}

Of a ratio, candidate over base, `high` is null where nothing bounds it. `better` is null while that is not known.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from registry.cli.asking import answer_to, ask, filed, wait_for
from registry.cli.options import Format, say
from registry.cli.places import Place
from registry.cli.printing import print_data, print_table
from registry.cli.splitting import showing
from registry.domain.account import ENDS, how_ended
from registry.domain.documents import timestamp
from registry.domain.errors import Refused, RegistryError
from registry.domain.findings import columns, document, findings, told
from registry.domain.fold import fold
from registry.domain.journal import Entry
from registry.domain.plan import parse_plan
from registry.domain.summary import summary
from registry.domain.version import Model

ANSWER = 300.0
"""Seconds a controller may take to answer: until a staging revision is ready and measured."""


def compare_live(place: Place, model: Model, request: Mapping[str, Any], *, by: str | None, output: Format) -> None:
    """Ask for a comparison, show it until it has ended, and print what it found. Ctrl-C ends it.

    request: version, base, weight, seconds, reason. Raises Refused, Unreachable, and RegistryError when it went back or
    came to nothing.
    """
    identity, waits = uuid.uuid4().hex, False
    try:
        identity = filed(place, model, {"id": identity, "action": "compare", **request}, by=by)
        waits = True
        started = answer_to(place, model, identity, seconds=ANSWER)
    except KeyboardInterrupt:
        _withdraw(place, model, identity, by=by, waits=waits)
        raise
    say(f"accepted: {summary(started)}; Ctrl-C or `geometry abort` ends it")
    end, numbers = _watched(place, model, started, by=by)
    _print(model, started, end, numbers, output)
    if how_ended(end) not in ("over", "aborted"):
        raise RegistryError(f"{model} {request['version']} ended before its time: {summary(end)}")


def _withdraw(place: Place, model: Model, identity: str, *, by: str | None, waits: bool = False) -> None:
    """End the comparison of this id, wherever it is; nothing when it has ended. waits: it was filed, though the journal
    may not have it yet."""
    entries = place.journal_of(model).read()
    state, known = fold(model, entries), any(entry.data.get("id") == identity for entry in entries)
    waiting = next((request.id for request in state.requests if request.starts), None)
    current = (state.rollout.request if state.rollout is not None else waiting) == identity
    if not current and (known or not waits):
        return
    why = {"reason": "Ctrl-C where it was asked for", "promotion": identity}
    request = {"action": "abort", "version": None, "to": "", **why}
    try:
        say(f"accepted: {summary(ask(place, model, request, seconds=ANSWER, by=by))}")
    except Refused as error:
        say(str(error))  # it ended meanwhile


def _watched(place: Place, model: Model, started: Entry, *, by: str | None) -> tuple[Entry, Mapping[str, Any]]:
    """Show it until it has ended; the entry that ended it, and the last numbers there were."""
    numbers: Mapping[str, Any] = {}

    def look(show: Callable[[list[dict[str, str]], str], None]) -> Entry | None:
        nonlocal numbers
        entries = place.journal_of(model).read()[started.sequence :]
        end = next((entry for entry in entries if entry.kind in ENDS and "promotion" not in entry.data), None)
        if end is None:
            place.require_controller()
            view = place.view(model)
            numbers = _numbers(view, started) or numbers
            show(_rows(started, numbers), str(view.get("awaited") or ""))
        return end

    with showing() as show:
        longest = parse_plan(started.data["plan"]).deadline + ANSWER
        try:
            end = wait_for(place, lambda: look(show), seconds=longest, what="the comparison")
        except KeyboardInterrupt:
            _withdraw(place, model, started.data["request"], by=by)
            end = wait_for(place, lambda: look(show), seconds=ANSWER, what="the end of the comparison")
    return end, end.data.get("numbers") or numbers


def _numbers(view: Mapping[str, Any], started: Entry) -> Mapping[str, Any]:
    """Of the controller's last verdict on this comparison; none of one before it."""
    verdict = view.get("verdict")
    if not verdict or view["sequence"] < started.sequence or "signals" not in verdict["numbers"]:
        return {}
    return dict(verdict["numbers"])


def _rows(started: Entry, numbers: Mapping[str, Any]) -> list[dict[str, str]]:
    base, candidate = started.data["base"], started.data["version"]
    return [told(found, base=base, candidate=candidate) for found in findings(numbers)]


def _print(model: Model, started: Entry, end: Entry, numbers: Mapping[str, Any], output: Format) -> None:
    base, candidate = started.data["base"], started.data["version"]
    step = parse_plan(started.data["plan"]).steps[0]
    if output is Format.TABLE:
        print(f"{model}: {base} and {candidate} at {100 - step.weight} and {step.weight} %, {how_ended(end)}")
        print_table(_rows(started, numbers), columns(base, candidate))
        print(f"ratio: of {candidate} to {base}; difference in points; an interval holds with 95 % at every look")
        return
    found = {
        "model": model,
        "base": base,
        "candidate": candidate,
        "weight": step.weight,
        "seconds": step.soak,
        "started": timestamp(started.time),
        "ended": timestamp(end.time),
        "outcome": how_ended(end),
        "reason": end.data["reason"],
        **document(numbers),
    }
    print_data(found, output)
