"""Entries, their chain, and the anchor outside of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.errors import InvalidDocument, JournalDamaged
from registry.domain.journal import (
    GENESIS,
    NO_ANCHOR,
    Anchor,
    Draft,
    Entry,
    Kind,
    check_anchor,
    parse_entry,
    seal,
    verify_chain,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def chain(count: int, actor: str = "tester") -> list[Entry]:
    entries: list[Entry] = []
    for number in range(count):
        draft = Draft(Kind.REQUESTED, actor, {"id": str(number)})
        entries.append(seal(draft, now=NOON, head=entries[-1] if entries else None))
    return entries


def test_the_first_entry_follows_nothing() -> None:
    assert (chain(1)[0].sequence, chain(1)[0].previous) == (1, GENESIS)


def test_an_entry_survives_its_bytes() -> None:
    entry = chain(2)[1]
    assert parse_entry(entry.content(), name="2") == entry


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1))
def test_time_never_goes_back_and_the_chain_holds(seconds: list[int]) -> None:
    entries: list[Entry] = []
    for offset in seconds:
        draft = Draft(Kind.DRIFT, "controller", {"offset": offset})
        entries.append(seal(draft, now=NOON + timedelta(seconds=offset), head=entries[-1] if entries else None))
    assert verify_chain(entries) == entries[-1].anchor
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_chain_verifies_in_parts(length: int, cut: int) -> None:
    entries = chain(length)
    assert verify_chain(entries[cut:], after=verify_chain(entries[:cut])) == verify_chain(entries)


@given(st.integers(0, 3))
def test_an_altered_entry_is_named(position: int) -> None:
    entries = chain(5)
    entries[position] = replace(entries[position], actor="nobody")
    with pytest.raises(JournalDamaged, match=f"entry {position + 1}: was altered"):
        verify_chain(entries)


@given(st.integers(0, 3))
def test_a_missing_entry_is_named(position: int) -> None:
    entries = chain(5)
    del entries[position]
    with pytest.raises(JournalDamaged, match=f"entry {position + 1}: missing"):
        verify_chain(entries)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(JournalDamaged, match="kind 'guessed' is unknown"):
        parse_entry(chain(1)[0].content().replace(b'"requested"', b'"guessed"'), name="1")


def test_a_wrong_field_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="journal entry 1: actor is missing"):
        parse_entry(chain(1)[0].content().replace(b'"actor"', b'"author"'), name="1")


def test_a_journal_that_holds_its_anchor_passes() -> None:
    for anchor in (NO_ANCHOR, chain(3)[1].anchor, chain(3)[2].anchor):
        check_anchor(chain(3), anchor)


@pytest.mark.parametrize(
    ("entries", "found"),
    [([], "no entries"), (chain(2), "only 2 entries"), (chain(3, actor="other"), "found entry 3 with sha256")],
)
def test_a_journal_without_what_was_acted_upon_is_refused(entries: list[Entry], found: str) -> None:
    anchor: Anchor = chain(3)[2].anchor
    with pytest.raises(
        JournalDamaged, match=f"{found}.*wanted entry 3 with sha256 {anchor.sha256[:12]}.*adopt --reason"
    ):
        check_anchor(entries, anchor)
