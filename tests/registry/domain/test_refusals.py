"""Whoever is refused reads what was found, what was wanted, and what to do next."""

import re
from dataclasses import replace

import pytest

from registry.domain.advice import advice
from registry.domain.checklist import CheckResult, Outcome
from registry.domain.journal import Kind
from registry.domain.rules import Check
from registry.domain.version import Version
from tests.registry.domain.builders import (
    QUICK,
    V1,
    V2,
    V3,
    Installation,
    candidate,
    idle,
    promoted,
    soaking,
)

LIST, HISTORY, STATUS = "`geometry models list`", "`geometry history`", "`geometry status`"
NEXT = re.compile(r"`geometry [a-z-]|--reason|promote another")


def empty():
    """Version 1 published, nothing in production."""
    place = Installation(policy=QUICK)
    place.publish(V1)
    place.turn()
    return place


def paused():
    place = soaking()
    place.ask("pause")
    place.turn()
    return place


def back_in_window():
    """Version 2 was rolled back from inside its window."""
    place = promoted()
    place.ask("rollback")
    place.turn()
    return place


def archived():
    place = idle()
    place.ask("archive", V3)
    place.turn()
    return place


def deleted():
    place = archived()
    place.ask("delete", V3)
    place.turn()
    return place


def worse():
    """Version 2 is wrong on a fifth of its images."""
    place = idle()
    place.candidates[V2] = replace(candidate(V2, wrong=80), manifest=candidate(V2).manifest)
    return place


def altered():
    """Version 2 does not verify any more."""
    place = idle()
    place.candidates[V2] = replace(candidate(V2), manifest=None, verification_error="model.tflite: missing")
    return place


REFUSED = [
    (idle, "promote", {"version": Version("9"), "to": "production"}, ("no version 9", "1, 2, 3", LIST)),
    (idle, "promote", {"version": V1, "to": "production"}, ("already in production", STATUS)),
    (idle, "promote", {"version": V2, "to": "staging", "source": "archived"},
     ("is in development, wanted archived", LIST)),
    (idle, "promote", {"version": V1, "to": "staging"}, ("is in production", "promote another")),
    (idle, "promote", {"version": V2, "to": "production", "force": True}, ("without a reason", "--reason")),
    (idle, "promote", {"to": "production"}, ("no version was named", LIST)),
    (idle, "promote", {"version": V2, "to": "archived"}, ("found 'promote' to 'archived'", "`geometry --help`")),
    (idle, "polish", {"version": V2}, ("found 'polish' to ''", "`geometry --help`")),
    (soaking, "promote", {"version": V3, "to": "production"}, ("rollout of 2 is in progress", "`geometry abort`")),
    (soaking, "promote", {"version": V3, "to": "staging"}, ("rollout of 2 is in progress", "`geometry abort`")),
    (deleted, "promote", {"version": V3, "to": "staging"}, ("was deleted", HISTORY)),
    (worse, "promote", {"version": V2, "to": "production"},
     ("accuracy: got", "≥ −1.0 points", "`geometry train`", "`geometry promote 2 --to production --force --reason")),
    (altered, "promote", {"version": V2, "to": "production"},
     ("model.tflite: missing", "a trusted signature", "`geometry models import`")),
    (empty, "rollback", {}, ("nothing is in production", "`geometry promote VERSION --to production`")),
    (idle, "rollback", {}, ("version 1 is in production", "no version before", "`geometry promote VERSION")),
    (back_in_window, "rollback", {}, ("version 1 is in production", "no version before", "`geometry promote VERSION")),
    (idle, "rollback", {"version": V2}, ("version 2 is neither", "production is 1", HISTORY)),
    (idle, "pause", {}, ("no rollout is in progress", "`geometry promote VERSION --to production`")),
    (paused, "pause", {}, ("paused already", "`geometry resume`")),
    (soaking, "resume", {}, ("is not paused", STATUS)),
    (idle, "resume", {}, ("no rollout is in progress", "`geometry promote VERSION")),
    (promoted, "abort", {}, ("rollback window", "`geometry rollback`")),
    (idle, "abort", {}, ("nothing to abort", "`geometry promote VERSION")),
    (idle, "approve", {}, ("no version was named", LIST)),
    (idle, "approve", {"version": Version("9")}, ("no version 9", LIST)),
    (idle, "adopt", {}, ("is the one that was acted upon", HISTORY)),
    (idle, "archive", {"version": V1}, ("is in production", "`geometry rollback`")),
    (soaking, "archive", {"version": V2}, ("is under rollout", "`geometry abort`")),
    (archived, "archive", {"version": V3}, ("archived already", "`geometry models delete 3 --reason …`")),
    (idle, "delete", {"version": V2}, ("is in development", "only archived", "`geometry models archive 2")),
    (promoted, "delete", {"version": V1}, ("rollback window of 2", STATUS)),
    (deleted, "delete", {"version": V3}, ("deleted already", HISTORY)),
]  # fmt: skip


@pytest.mark.parametrize(("start", "action", "asked", "words"), REFUSED)
def test_a_refusal_says_what_was_found_and_wanted_and_what_to_do(start, action, asked, words):
    place = start()
    production, request = place.state.production, place.ask(action, **asked)
    (refused,) = [draft for draft in place.turn().drafts if draft.data.get("request") == request]
    assert (refused.kind, place.state.requests, place.state.production) == (Kind.REFUSED, (), production)
    reason = refused.data["reason"]
    assert [word for word in words if word not in reason] == [], reason
    assert NEXT.search(reason), reason


@pytest.mark.parametrize("check", list(Check))
def test_every_check_that_refuses_has_advice(check):
    told = advice(V2, "staging", [CheckResult(check, Outcome.FAIL, "this", "that")])
    assert NEXT.search("; ".join(told))
    assert ("--force" in told[-1]) == (check not in (Check.DIGEST, Check.SIGNATURE))


def test_the_same_advice_is_given_once_and_nothing_for_nothing():
    failed = [CheckResult(check, Outcome.FAIL, "", "") for check in (Check.ACCURACY, Check.RECALL)]
    assert len(advice(V2, "staging", failed)) == 2
    assert advice(V2, "staging", []) == []


def test_what_could_not_be_asked_can_be_asked_again():
    told = advice(V2, "staging", [CheckResult(Check.LATENCY, Outcome.UNKNOWN, "", "")])
    assert "`geometry check 2 --to staging` asks again" in told
