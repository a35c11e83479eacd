"""The report of a rollout as a pure function: whatever the journal says, a page that any parser reads."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.account import accounts
from registry.domain.confusion import confusion
from registry.domain.journal import Entry, Kind
from registry.domain.report import report
from tests.registry.domain.builders import (
    MODEL,
    QUICK,
    V1,
    V2,
    V3,
    candidate,
    idle,
    promoted,
    soaking,
    stepping,
    with_policy,
)
from tests.registry.domain.mirroring import AGREEING, answer, mirrored


def told(place, version=V2, base=V1):
    """The report of the last rollout."""
    return report(accounts(MODEL, place.entries)[-1], confusion(candidate(version), base and candidate(base)))


def words(page):
    """All text, as a browser shows it."""
    return " ".join("".join(ElementTree.fromstring(page).itertext()).split())


def ended():
    """A rollout that somebody ended."""
    place = stepping()
    place.ask("rollback")
    place.turn()
    return place


def test_a_promotion_tells_who_asked_and_what_the_judge_saw():
    place = promoted()
    page = told(place)
    assert "shapes: version 2 promoted" in words(page)
    assert "asked byann" in words(page)
    assert "againstversion 1" in words(page)
    assert page.count("<svg") == 3
    assert page.count(">bound ") == 2


def test_what_went_back_in_its_window_says_so():
    place = promoted()
    place.ask("rollback")
    place.turn()
    assert "version 2 promoted, then rolled back" in words(told(place))


def test_what_was_aborted_says_by_whom():
    place = ended()
    assert "version 2 aborted" in words(told(place))
    assert accounts(MODEL, place.entries)[-1].end.actor == "ann"


def test_what_expired_says_so():
    place = stepping(with_policy(QUICK, deadline=60))
    place.turns(lambda it: it.state.rollout is None)
    assert "version 2 expired" in words(told(place))


def test_the_first_version_has_nothing_to_compare_with():
    page = told(idle(), V1, None)
    assert "the first version: nothing to compare with" in words(page)


def test_every_rollout_of_a_journal_has_an_account_and_later_entries_are_not_its_own():
    place = ended()
    before = accounts(MODEL, place.entries)
    place.ask("promote", V3, "production")
    place.turn()
    assert [(found.version, found.outcome) for found in accounts(MODEL, place.entries)] == [
        (V1, "promoted"),
        (V2, "aborted"),
        (V3, "in progress"),
    ]
    assert accounts(MODEL, place.entries)[:2] == before


def test_an_account_begins_with_its_request_even_when_that_had_to_wait():
    place = soaking()
    place.ask("promote", V3, "production")
    place.turn()
    account = accounts(MODEL, place.entries)[-1]
    assert account.entries[0].data["version"] == V2
    assert account.request.data["requestedBy"] == "ann"


def test_steps_carry_the_counts_of_their_own():
    account = accounts(MODEL, promoted().entries)[-1]
    assert [step.weight for step in account.steps()] == [10, 50]
    assert all(step.counts["errors"].canary_exposure > 0 for step in account.steps())
    assert [weight for _, weight in account.weights()][-3:] == [10, 50, 100]


def test_the_confusion_is_the_difference_on_the_same_images():
    found = confusion(candidate(V2, wrong=20), candidate(V1, wrong=8))
    assert (found.change("circle", "square"), found.change("circle", "circle")) == (6, -6)


def test_other_images_make_no_difference_and_say_why():
    other = candidate(V1)
    other = replace(other, evaluation=replace(other.evaluation, images=other.evaluation.images[:10]))
    assert confusion(candidate(V2), other).reason == "version 1 was not asked these images"


ADDRESS = re.compile(r"https?:|//|url\(|@import|<script|<link|<img|<iframe|<object|\bsrc=|\bhref=")
HOSTILE = ("<script>alert(1)</script>", "</pre>", '" onload="x', "]]>", "&amp;", "\x00\x1b", "\u202e")


@pytest.mark.parametrize("place", [promoted, ended])
def test_a_report_asks_for_nothing_from_elsewhere(place):
    assert not ADDRESS.search(told(place()))


def test_the_same_journal_gives_the_same_bytes():
    place = ended()
    assert told(place) == told(place)


class Elements(HTMLParser):
    """What a browser sees: elements that are opened must be closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


JOURNAL = ended().entries


def with_text(text: str) -> tuple[Entry, ...]:
    """The journal of an aborted rollout in which everything that somebody wrote is `text`."""
    changed = []
    for entry in JOURNAL:
        data = {**entry.data, "reason": text} if "reason" in entry.data else dict(entry.data)
        if entry.kind is Kind.STARTED:
            data |= {"requestedBy": text, "policy": {"text": text, "sha256": text}, "forced": [text]}
            data["checks"] = [{"check": text, "outcome": text, "got": text, "want": text}]
        changed.append(replace(entry, actor=text, data=data))
    return tuple(changed)


@settings(max_examples=30)
@given(st.text(max_size=30) | st.sampled_from(HOSTILE))
def test_whatever_somebody_wrote_is_text(text):
    page = report(accounts(MODEL, with_text(text))[-1], confusion(candidate(V2), candidate(V1)))
    root = ElementTree.fromstring(page)
    browser = Elements()
    browser.feed(page)
    assert browser.open == []
    assert browser.seen == {element.tag for element in root.iter()}
    assert "script" not in browser.seen
    page.encode()


def test_pairs_and_labels_are_told():
    place = mirrored(AGREEING)
    labels = answer(place, "a", canary="circle", stable="circle", pairs=16)
    answer(place, "b", canary="star", stable="circle", pairs=4)
    place.label("first", **labels, b0="circle", nobody="star")
    place.label(
        "second", b1="circle", b2="circle", b3="circle", **answer(place, "c", canary="star", stable="circle", pairs=8)
    )
    page = words(told(place))
    assert "agreement: disagreements12 of 28 (42.86%)" in page
    assert "labels: lone mistakes" in page
    assert "17 taken, 1 unknown, 0 repeated" in page
