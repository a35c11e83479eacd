"""What is kept of the experiment, and that the code still measures so."""

import json
from collections.abc import Mapping

import numpy as np
import pytest

from registry.domain.card import Reference
from tests.statistics.corruptions import BY_NATURE, CHANGES, KEPT, SEED, distance, pictures, seen, settled

VISIBLE = 0.2
"""Total variation that a detector finds within hundreds of images."""


def kept(of: str) -> Mapping[str, Mapping[str, Mapping[str, list[int]]]]:
    return json.loads(KEPT.read_text())[of]


def furthest(of: str, change: str) -> float:
    before, after = kept(of)["reference"], kept(of)["changes"][change]
    return max(distance(before[signal], counts) for signal, counts in after.items())


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in ("unchanged", *BY_NATURE)])
def test_every_fault_shows_on_some_signal(change: str) -> None:
    assert furthest("shapes", change) >= VISIBLE


@pytest.mark.parametrize("change", BY_NATURE)
def test_what_shapes_cannot_show_shows_where_pictures_have_a_ground_and_a_direction(change: str) -> None:
    assert furthest("settled", change) >= VISIBLE
    assert furthest("shapes", change) < VISIBLE / 2


@pytest.mark.parametrize("of", ["shapes", "settled"])
def test_nothing_shows_where_nothing_was_done(of: str) -> None:
    assert furthest(of, "unchanged") < VISIBLE / 2


def test_the_code_measures_what_was_kept() -> None:
    edges = {name: tuple(found) for name, found in kept("shapes")["edges"].items()}
    held_out = Reference((), (), {name: (found, (0,) * (len(found) - 1)) for name, found in edges.items()})
    blurred = seen(pictures(SEED, 160), "blur", held_out).counts
    assert distance(kept("shapes")["changes"]["blur"]["edge_density"], blurred["edge_density"]) < 0.2
    assert distance(kept("shapes")["reference"]["edge_density"], blurred["edge_density"]) > 0.5


def test_settled_pictures_lie_on_light_ground() -> None:
    files = pictures(SEED, 40)
    held_out = Reference((), (), {"aspect": ((0.0, 0.99, 9.0), (0, 0)), "brightness": ((0.0, 100.0, 255.0), (0, 0))})
    counts = seen([settled(file, np.random.default_rng(1)) for file in files], "unchanged", held_out).counts
    assert (counts["aspect"][0], counts["brightness"][0]) == (0, 0)
