"""The fake cluster keeps to the order that the real ones keep to."""

import pytest

from registry.domain.errors import Conflict
from registry.domain.journal import Anchor
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import Model, Version
from tests.proofs.cluster import Cluster
from tests.proofs.machine import Machine
from tests.proofs.substrate import FakeSubstrate

MODEL = Model("shapes")


class Hold:
    """A cluster, and controllers that apply releases to it, one round after the other."""

    def __init__(self) -> None:
        self.cluster, self.machine = Cluster(), Machine()
        self.mine, self.other = (FakeSubstrate(self.cluster, self.machine) for _ in range(2))

    def apply(self, substrate: FakeSubstrate, *weights: tuple[str, int], rounds: int = 1) -> None:
        stable, *canaries = (RevisionRelease(Version(name), name, weight, 1) for name, weight in weights)
        for _ in range(rounds):
            substrate.anchor(MODEL)
            substrate.apply([Release(MODEL, stable, tuple(canaries), None, Anchor(1, "1"))], self.cluster.now)
            self.cluster.pass_time()

    @property
    def service(self):
        return self.cluster.service(MODEL)


def test_pods_come_before_their_weight():
    hold = Hold()
    hold.apply(hold.mine, ("1", 100))
    assert (list(hold.service.pods), hold.service.told) == (["v1"], {})
    hold.apply(hold.mine, ("1", 100))
    assert hold.service.applied == {"1": 100}


def test_weight_leaves_before_its_pods():
    hold = Hold()
    hold.apply(hold.mine, ("1", 50), ("2", 50), rounds=4)
    hold.apply(hold.mine, ("1", 100))
    assert (set(hold.service.pods), hold.service.told) == ({"v1", "v2"}, {"1": 100})
    hold.apply(hold.mine, ("1", 100), rounds=4)
    assert set(hold.service.pods) == {"v1"}


def test_who_saw_an_older_state_changes_nothing():
    hold = Hold()
    hold.other.anchor(MODEL)
    hold.apply(hold.mine, ("1", 100), rounds=3)
    stale = Release(MODEL, RevisionRelease(Version("2"), "2", 100, 1), (), None, Anchor(1, "1"))
    with pytest.raises(Conflict):
        hold.other.apply([stale], hold.cluster.now)
    assert set(hold.service.pods) == {"v1"}
