"""The journal and its state: random courses of what can be seen and asked, and journals that no rule allows."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry.domain.errors import JournalDamaged
from registry.domain.fold import fold
from registry.domain.journal import Draft, Entry, Kind
from registry.domain.judge import Evidence, StartMixture, Window
from registry.domain.observation import Latency, ObservedRoute
from registry.domain.policy import Approvals, Policy, Step
from registry.domain.stages import Stage
from registry.domain.state import State, release
from registry.domain.version import Version
from tests.registry.domain.builders import (
    MODEL,
    QUICK,
    V1,
    V2,
    V3,
    Installation,
    digest,
    idle,
    promoted,
    recorded,
    soaking,
    stepping,
    traffic,
    with_policy,
)

VERSIONS = (V1, V2, V3)
BRIEF = with_policy(QUICK, deadline=120, rollback_window=60)
SHOWN = with_policy(BRIEF, steps=(Step(0, 3), Step(0, 3, mirror=100), *BRIEF.rollout.steps))
"""Reached by header and mirrored to before its first weight."""

MEASURED = replace(SHOWN, checklist=(), approvals=Approvals(required=1, expire=100))
"""With the latency of a staging revision and an approval before production."""


def holders(state: State, stage: Stage) -> list[Version]:
    return [found.version for found in state.versions.values() if found.stage is stage]


def check(state: State) -> None:
    """What holds after every entry of every journal."""
    assert holders(state, Stage.PRODUCTION) == ([state.production] if state.production else [])
    assert holders(state, Stage.STAGING) == ([state.staging] if state.staging else [])
    found = release(state)
    assert not any(revision.weight and revision.mirror for revision in found.live)
    assert sum(revision.weight for revision in found.live) in (0, 100)
    assert sum(found.weights.values()) == (100 if state.production else 0)
    assert len({revision.version for revision in found.live}) == len(found.live)
    if state.guarding is not None:
        assert state.guarding.version == state.production
    if state.rollout is not None and state.rollout.stepped is not None and state.time is not None:
        assert state.rollout.stepped <= state.time


class Course(RuleBasedStateMachine):
    """A controller under whatever can be seen and asked, killed between and inside of turns."""

    @initialize(policy=st.sampled_from([BRIEF, SHOWN, MEASURED]))
    def begin(self, policy: Policy) -> None:
        self.place = Installation(policy=policy)
        self.place.publish(V1, V2)
        self.place.turn()

    @rule(version=st.sampled_from(VERSIONS), to=st.sampled_from(["staging", "production"]))
    def promote(self, version: Version, to: str) -> None:
        self.place.ask("promote", version, to)

    @rule(source=st.sampled_from(["development", "staging", "archived"]), version=st.sampled_from(VERSIONS))
    def promote_from(self, version: Version, source: str) -> None:
        self.place.ask("promote", version, "production", source)

    @rule(version=st.sampled_from(VERSIONS), reason=st.sampled_from(["", "an incident"]))
    def force(self, version: Version, reason: str) -> None:
        self.place.ask("promote", version, "production", force=True, reason=reason)

    @rule()
    def roll_back(self) -> None:
        self.place.ask("rollback")

    @rule(action=st.sampled_from(["pause", "resume", "abort"]), turns=st.integers(0, 2))
    def control(self, action: str, turns: int) -> None:
        self.place.ask(action, by="bob")
        for _ in range(turns):
            self.place.turn()

    @rule(version=st.sampled_from(VERSIONS), by=st.sampled_from(["ann", "bob"]))
    def approve(self, version: Version, by: str) -> None:
        self.place.ask("approve", version, by=by)

    @rule(version=st.sampled_from(VERSIONS), p99=st.sampled_from([0.01, 3.0]))
    def measure(self, version: Version, p99: float) -> None:
        self.place.latency[version] = Latency(100, 0, p99)

    @rule()
    def publish(self) -> None:
        self.place.publish(V3)

    @rule(good=st.integers(0, 2000), errors=st.integers(0, 50), turns=st.integers(1, 12), index=st.integers(0, 1))
    def serve(self, good: int, errors: int, turns: int, index: int) -> None:
        for _ in range(turns):
            for position, version in enumerate(self.place.running):
                self.place.count(version, good, errors if position == index else 0)
            self.place.turn()

    @rule(seconds=st.sampled_from([0, 1, 5, 59, 61, 4000]))
    def wait(self, seconds: int) -> None:
        self.place.turn(seconds)

    @rule(index=st.integers(0, 1), ready=st.booleans(), restarts=st.integers(0, 6), answers=st.booleans())
    def change(self, index: int, ready: bool, restarts: int, answers: bool) -> None:
        for version in list(self.place.running)[index : index + 1]:
            running = self.place.running[version]
            running.ready, running.restarts = ready, restarts
            running.unready_since = None if ready else running.unready_since or self.place.now
            self.place.unanswered = set() if answers else {version}

    @rule(index=st.integers(0, 1), name=st.sampled_from([None, "0" * 64]))
    def lie(self, index: int, name: str | None) -> None:
        for version in list(self.place.running)[index : index + 1]:
            self.place.running[version].digest = name

    @rule(obeys=st.booleans())
    def obey(self, obeys: bool) -> None:
        self.place.obeys = obeys

    @rule()
    def kill(self) -> None:
        self.place.restart()

    @rule(kept=st.integers(0, 3))
    def kill_while_recording(self, kept: int) -> None:
        self.place.record(*self.place.decide().drafts[:kept])
        self.place.restart()

    @invariant()
    def nothing_contradicts_itself(self) -> None:
        check(self.place.state)

    @invariant()
    def folding_at_once_gives_the_same(self) -> None:
        assert fold(MODEL, self.place.entries) == self.place.state

    def teardown(self) -> None:
        if not hasattr(self, "place"):
            return
        state = State(MODEL)
        for entry in self.place.entries:
            state = fold(MODEL, [entry], state=state)
            check(state)
        self._ends()

    def _ends(self) -> None:
        """With readiness, counters and an obeying substrate again, everything in progress ends."""
        place = self.place
        place.obeys, place.unanswered = True, set()
        place.ask("resume")
        place.act()

        def fair() -> None:
            for version, running in place.running.items():
                running.ready, running.unready_since, running.restarts = True, None, 0
                running.digest = digest(version)
            traffic(place)

        place.turns(
            lambda it: not it.state.requests and it.state.rollout is None and it.state.guarding is None, each=fair
        )


Course.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestCourse = Course.TestCase


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_folding_in_pieces_is_folding_at_once(data: st.DataObject) -> None:
    entries = promoted().entries
    cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), max_size=5)))
    state = State(MODEL)
    for start, end in zip([0, *cuts], [*cuts, len(entries)], strict=True):
        state = fold(MODEL, entries[start:end], state=state)
    assert state == fold(MODEL, entries)


@given(kills=st.lists(st.integers(0, 3), max_size=8), bad=st.sampled_from([0, 0, 1, 30]), pause=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_a_rollout_killed_at_any_entry_ends_with_the_new_or_the_old_version(
    kills: list[int], bad: int, pause: int
) -> None:
    place = stepping(BRIEF)
    for kept in kills:
        for _ in range(pause):
            traffic(place)
            place.count(place.state.rollout.version if place.state.rollout else V1, 0, bad)
            place.turn()
            if place.state.rollout is None:
                break
        place.record(*place.decide().drafts[:kept])
        place.restart()
        place.act()
    place.turns(lambda it: it.state.rollout is None and it.state.guarding is None, each=lambda: traffic(place))
    assert place.state.production in (V1, V2)
    assert bad < 30 or not kills or place.state.production == V1


def journal(place: Installation, kind: Kind, **data: Any) -> tuple[Entry, ...]:
    return recorded([Draft(kind, "controller", data)], after=place.entries, now=place.now)


def unpublished() -> Installation:
    return Installation()


@pytest.mark.parametrize(
    ("begin", "kind", "data", "words"),
    [
        (idle, Kind.PUBLISHED, {"version": "2", "digest": "d"}, "version 2 is published twice"),
        (idle, Kind.PUBLISHED, {"digest": "d"}, "'version' is wrong there"),
        (idle, Kind.STAGED, {"version": "1"}, "version 1: the journal moves it from production to staging"),
        (idle, Kind.STAGED, {"version": "9"}, "shapes has no version 9"),
        (idle, Kind.PROMOTED, {"version": "2"}, "no rollout is in progress"),
        (idle, Kind.STEPPED, {"version": "2", "step": 0}, "no rollout is in progress"),
        (idle, Kind.WITHHELD, {"version": "2"}, "no rollout is in progress"),
        (idle, Kind.EXPIRED, {"version": "2"}, "no rollout is in progress"),
        (idle, Kind.EVIDENCE, {"guard": {}}, "no rollback window is open"),
        (idle, Kind.ROLLED_BACK, {"version": "2", "to": "3"}, "moves it from development to production"),
        (soaking, Kind.STARTED, {"version": "3"}, "rollout of 2 is in progress"),
        (soaking, Kind.PROMOTED, {"version": "3"}, "the rollout is of 2, not of 3"),
        (soaking, Kind.ROLLED_BACK, {"version": "1", "to": None}, "the rollout is of 2, not of 1"),
        (soaking, Kind.STEPPED, {"version": "2", "step": 2}, "step 2 of a rollout with 2 steps"),
        (idle, Kind.PAUSED, {"version": "2"}, "no rollout is in progress"),
        (soaking, Kind.RESUMED, {"version": "2"}, "rollout of 2 is not paused"),
        (idle, Kind.APPROVED, {"version": "9", "digest": "d", "by": "bob"}, "shapes has no version 9"),
        (soaking, Kind.EVIDENCE, {"errors": {"harm": 3}}, "is wrong there"),
        (promoted, Kind.ROLLED_BACK, {"version": "3", "to": "1"}, "puts it in production beside 2"),
        (unpublished, Kind.ARCHIVED, {"version": "1"}, "shapes has no version 1; published last are: none"),
    ],
)
def test_a_journal_that_no_rule_allows_is_damaged_and_the_entry_is_named(
    begin: Any, kind: Kind, data: dict[str, Any], words: str
) -> None:
    entries = journal(begin(), kind, **data)
    with pytest.raises(JournalDamaged, match=rf"^journal entry {len(entries)} \({kind}\): ") as raised:
        fold(MODEL, entries)
    assert words in str(raised.value)


def test_entries_that_change_no_state_move_the_head_alone() -> None:
    place = idle()
    entries = journal(place, Kind.DRIFT, signal="confidence")
    state = fold(MODEL, entries)
    assert state.head == entries[-1].anchor
    assert state.versions == place.state.versions


def test_the_fold_keeps_what_was_asked_until_it_is_answered() -> None:
    place = idle()
    place.ask("promote", V2, "staging", "development")
    (request,) = place.state.requests
    assert (request.action, request.version, request.to, request.source_stage, request.by) == (
        "promote",
        V2,
        "staging",
        "development",
        "ann",
    )
    place.turn()
    assert not place.state.requests


def test_a_promotion_opens_the_window_with_nothing_counted() -> None:
    place = stepping()
    place.turns(lambda it: it.state.production == V2, each=lambda: traffic(place))
    assert place.state.guarding is not None
    assert (place.state.guarding.mixture, place.state.guarding.good) == (StartMixture(), 0)
    assert place.state.guarding.since == place.entries[-1].time


def test_a_new_step_keeps_the_evidence_of_harm_only() -> None:
    place = soaking()
    for _ in range(70):
        place.count(V1, 9, errors=1)
        place.count(V2, 9, errors=1)
        place.turn()
    assert place.state.rollout is not None
    before = place.state.rollout.evidence["errors"]
    place.record(Draft(Kind.STEPPED, "controller", {"version": V2, "step": 1, "weight": 50}))
    after = place.state.rollout.evidence["errors"]
    assert (after.harm, after.total) == (before.harm, before.total)
    assert after.step.canary_exposure == 0


def test_a_route_of_another_hand_is_seen_and_not_believed() -> None:
    place = soaking()
    place.obeys, place.route = False, ObservedRoute({V2: 100}, place.now, None)
    place.turn()
    assert release(place.state).weights == {V1: 90, V2: 10}


def test_evidence_of_a_rollout_that_was_judged_by_errors_alone_is_read() -> None:
    place = soaking()
    found = Evidence().add(Window(100, 1, 900, 3), margin=10.0, floor=0.01)
    place.record(Draft(Kind.EVIDENCE, "controller", {"step": 0, "errors": found.document(), "counters": {}}))
    assert place.state.rollout is not None
    assert place.state.rollout.evidence == {"errors": found}
