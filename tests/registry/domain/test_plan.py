"""The numbers that a rollout keeps, from policy and card."""

from dataclasses import replace

import pytest

from registry.domain.card import Slo, parse_card
from registry.domain.policy import Floors, Policy, SloPolicy
from registry.domain.requests import plan_of
from registry.domain.signals import AGREEMENT, LABELS, LATENCY_EDGES, SIGNALS, edge_of
from tests.registry.domain.builders import V1, V2, candidate, idle, with_policy


def test_every_signal_is_judged_and_those_that_roll_back_share_alpha() -> None:
    plan = plan_of(Policy())
    assert set(plan.floors) == set(SIGNALS) - {LABELS, AGREEMENT}
    assert plan.signals == 3
    assert plan.rollback_bound == pytest.approx(2 * 3 / 0.05)


@pytest.mark.parametrize(
    ("card", "policy", "wanted"),
    [
        (None, SloPolicy(), (0.1, 0.02)),
        (None, SloPolicy(latency_seconds=0.5, latency_objective=0.95), (0.5, 0.10)),
        (Slo(latency_seconds=0.25, latency_objective=0.9), SloPolicy(latency_seconds=0.5), (0.25, 0.2)),
        (Slo(latency_objective=1.0), SloPolicy(), (0.1, 0.001)),
        (Slo(latency_objective=0.1), SloPolicy(), (0.1, 0.5)),
    ],
)
def test_the_slo_is_the_cards_then_the_policys_then_the_default(
    card: Slo | None, policy: SloPolicy, wanted: tuple[float, float]
) -> None:
    plan = plan_of(replace(Policy(), slo=policy), slo=card)
    assert (plan.slow_after, plan.floors["latency"]) == (wanted[0], pytest.approx(wanted[1]))


def test_a_floor_of_latency_in_the_policy_wins_over_the_objective() -> None:
    policy = with_policy(Policy(), floors=Floors(latency=0.07))
    assert plan_of(policy, slo=Slo(latency_objective=0.9)).floors["latency"] == 0.07


@pytest.mark.parametrize(("slo", "edge"), [(0.1, 0.1), (0.12, 0.1), (0.5, 0.5), (10, 2.5), (0.001, 0.005)])
def test_an_slo_between_two_edges_is_judged_at_the_stricter_one(slo: float, edge: float) -> None:
    assert edge_of(slo) == edge
    assert edge in LATENCY_EDGES


def test_a_card_without_an_slo_is_read() -> None:
    card = candidate(V1).card
    assert card is not None
    assert parse_card(replace(card, slo=None).content()).slo is None


def test_a_rollout_is_judged_by_the_slo_of_its_card() -> None:
    place = idle()
    card = candidate(V2).card
    assert card is not None
    place.candidates[V2] = replace(candidate(V2), card=replace(card, slo=Slo(latency_seconds=0.5)))
    place.ask("promote", V2, "production")
    place.turn()
    assert place.state.rollout is not None
    assert place.state.rollout.plan.slow_after == 0.5
