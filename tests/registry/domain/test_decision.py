"""What a turn does first."""

from tests.registry.domain.builders import V1, V2, V3, Installation, idle, kinds, promoted, stepping, traffic


def test_found_versions_are_published_before_anything_else() -> None:
    place = Installation()
    place.publish(V1, V2)
    place.ask("promote", V1, "production")
    drafts = place.turn().drafts
    assert kinds(drafts) == ["published", "published"]
    assert [draft.data["version"] for draft in drafts] == [V1, V2]
    assert kinds(place.turn().drafts) == ["staged", "started"]


def test_a_published_version_is_not_published_again() -> None:
    place = idle()
    assert place.turn().drafts == ()


def test_a_rollback_is_answered_before_the_rollout_goes_on() -> None:
    place = stepping()
    place.ask("promote", V3, "production")
    place.ask("rollback")
    for _ in range(3):
        traffic(place, 10**4)
    assert kinds(place.turn().drafts) == ["aborted"]


def test_the_rollout_goes_on_before_another_request_is_answered() -> None:
    place = stepping()
    traffic(place, 10**4)
    place.ask("promote", V3, "staging")
    assert kinds(place.turn(5).drafts)[-1] == "stepped"
    assert len(place.state.requests) == 1
    assert kinds(place.turn().drafts) == ["refused"]


def test_one_request_is_answered_in_a_turn_the_oldest_first() -> None:
    place = idle()
    oldest = place.ask("promote", V2, "staging")
    place.ask("promote", V3, "staging")
    (staged,) = place.turn().drafts
    assert staged.data["request"] == oldest
    assert len(place.state.requests) == 1


def test_what_was_counted_is_kept_in_the_turn_that_refuses_a_request() -> None:
    place = stepping()
    place.turn()
    before = place.evidence().total.canary_exposure
    place.count(V1, 450)
    place.count(V2, 50)
    place.ask("promote", V3, "staging")
    assert kinds(place.turn().drafts) == ["refused"]
    assert place.evidence().total.canary_exposure == before + 50


def test_each_turn_remembers_its_time() -> None:
    for place in (idle(), stepping(), promoted()):
        place.turn()
        assert place.memory.last_turn == place.now
