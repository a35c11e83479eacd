"""One acting controller: who holds the Lease, who waits, who takes over, and who stops."""

import threading

import pytest

from registry.adapters.cluster.lease import EVERY, GIVE_UP, LASTS, NAME, Lease
from tests.registry.cluster_objects.fake_api import FakeApi
from tests.registry.cluster_objects.real_api import RealApi


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lease(server: FakeApi | RealApi, holder: str, clock: Clock) -> Lease:
    return Lease(server.seen_by(), holder, clock=clock)


def holder(server: FakeApi | RealApi) -> str:
    return str(server.get("leases", NAME)["spec"]["holderIdentity"])


def test_the_first_one_makes_it_and_the_second_waits(server, clock):
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    assert first.attempt() is None
    assert second.attempt() == "a holds it"
    assert (first.held, second.held, holder(server)) == (True, False, "a")


def test_one_that_is_renewed_is_never_taken_over(server, clock):
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    for _ in range(20):
        assert first.attempt() is None
        assert second.attempt() == "a holds it"
        clock.now += EVERY


def test_one_that_stands_still_for_as_long_as_it_lasts_is_taken_over(server, clock):
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    first.attempt()
    second.attempt()
    clock.now += LASTS + 1
    assert second.attempt() is None
    assert (holder(server), server.get("leases", NAME)["spec"]["leaseTransitions"]) == ("b", 1)


def test_the_one_before_has_stopped_by_itself_when_another_may_begin(server, clock):
    first = lease(server, "a", clock)
    first.attempt()
    clock.now += GIVE_UP
    assert not first.held
    assert GIVE_UP < LASTS


def test_the_one_before_does_not_take_it_back(server, clock):
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    first.attempt()
    second.attempt()
    clock.now += LASTS + 1
    second.attempt()
    assert first.attempt() == "b holds it"


def test_who_is_second_to_write_has_lost(server, clock):
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    first.attempt()
    first.release()
    read = server.seen_by().get
    second.api.get = lambda *asked: (read(*asked), lease(server, "c", clock).attempt())[0]  # type: ignore[method-assign]
    assert "another one was first" in str(second.attempt())
    assert holder(server) == "c"


def test_a_released_one_is_free_at_once(server, clock):
    first = lease(server, "a", clock)
    first.attempt()
    first.release()
    assert lease(server, "b", clock).attempt() is None


def test_a_server_that_does_not_answer_ends_it_when_its_time_is_up(fake, server, clock):
    first = lease(server, "a", clock)
    assert first.acquire(stopped=threading.Event())
    fake.fails = [500] * 1000
    clock.now += GIVE_UP
    assert not first.held


def test_a_stop_while_it_waits_ends_the_waiting(server, clock):
    lease(server, "a", clock).attempt()
    stopped = threading.Event()
    threading.Timer(0.1, stopped.set).start()
    assert not lease(server, "b", clock).acquire(stopped=stopped)
