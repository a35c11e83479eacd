"""Approvals: by others, of this digest, for a while."""

from dataclasses import replace

import pytest

from registry.domain.policy import Approvals
from registry.domain.version import Version
from tests.registry.domain.builders import QUICK, V2, V3, Installation, digest, idle, kinds

TWO = replace(QUICK, approvals=Approvals(required=2, expire=60))


def place(*approvers: str, version: Version = V2) -> Installation:
    found = idle()
    found.policy = TWO
    for name in approvers:
        found.ask("approve", version, by=name)
        found.turn()
    return found


def asked(found: Installation, seconds: float = 1.0) -> list[str]:
    """What a promotion asked for by ann begins with."""
    found.ask("promote", V2, "production")
    return kinds(found.turn(seconds).drafts)


def test_an_approval_names_digest_and_person_and_that_nobody_checked_who_it_is() -> None:
    entry = place("bob").entries[-1]
    assert (entry.kind, entry.actor) == ("approved", "bob")
    assert {name: entry.data[name] for name in ("version", "digest", "by", "authenticated")} == {
        "version": V2,
        "digest": digest(V2),
        "by": "bob",
        "authenticated": False,
    }


def test_two_others_are_enough_and_the_rollout_remembers_them() -> None:
    found = place("bob", "eve")
    assert asked(found) == ["staged", "started"]
    assert [approval["by"] for approval in found.entries[-1].data["approvals"]] == ["bob", "eve"]


@pytest.mark.parametrize(
    ("approvers", "words"),
    [
        ((), "approvals: got 0 of 2 (nobody), 2 missing; others than ann give one with `geometry approve 2`"),
        (("bob",), "approvals: got 1 of 2 (bob), 1 missing"),
        (("bob", "ann"), "approvals: got 1 of 2 (bob), 1 missing"),
        (("bob", "bob"), "approvals: got 1 of 2 (bob), 1 missing"),
    ],
)
def test_too_few_are_refused_with_who_has_and_how_many_are_missing(approvers: tuple[str, ...], words: str) -> None:
    found = place(*approvers)
    assert asked(found) == ["refused"]
    assert words in found.entries[-1].data["reason"]


def test_approvals_of_another_version_do_not_count() -> None:
    assert asked(place("bob", "eve", version=V3)) == ["refused"]


def test_approvals_expire_and_a_repeated_one_holds_from_then_on() -> None:
    found = place("bob", "eve")
    assert asked(found, 70) == ["refused"]
    for name in ("bob", "eve"):
        found.ask("approve", V2, by=name)
        found.turn()
    assert asked(found, 50) == ["staged", "started"]


def test_staging_needs_none() -> None:
    found = place()
    found.ask("promote", V2, "staging")
    assert kinds(found.turn().drafts) == ["staged"]


def test_force_does_not_stand_in_for_an_approval() -> None:
    found = place("bob")
    found.ask("promote", V2, "production", force=True, reason="hurry")
    assert kinds(found.turn().drafts) == ["refused"]


def test_what_does_not_exist_cannot_be_approved() -> None:
    found = place()
    found.ask("approve", Version("9"), by="bob")
    (refused,) = found.turn().drafts
    assert refused.data["reason"].startswith("shapes has no version 9; published last are: 1, 2, 3")
