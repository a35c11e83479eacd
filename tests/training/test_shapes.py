"""Rendered shapes: fixed by seed and index, true to their labels, visible."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.header import declared
from training.render.camera import LEAST_LONG, LEAST_VISIBLE, MOST_ROUND, Frame, occlude, place, project
from training.render.dice import Dice
from training.render.outlines import LONG, ROUND, along, aspect, outline
from training.render.strokes import by_hand, dashed, filled, outlined, unsteady
from training.render.surfaces import tones
from training.shapes import CLASSES, Rendered, render, render_batch, render_many

seeds = st.integers(0, 2**63)
indices = st.integers(0, 2**48)
names = st.sampled_from(CLASSES)


@pytest.fixture(scope="module")
def images() -> list[Rendered]:
    return render_batch(5, 0, 800)


def test_classes_are_eight_in_alphabetical_order() -> None:
    assert len(CLASSES) == 8
    assert list(CLASSES) == sorted(CLASSES)


@given(seeds, indices)
@settings(max_examples=40, deadline=None)
def test_the_same_seed_and_index_give_the_same_image(seed: int, index: int) -> None:
    assert render(seed, index) == render(seed, index)


def test_another_seed_or_index_gives_another_image() -> None:
    contents = {render(seed, index).content for seed in range(5) for index in range(0, 80, 8)}
    assert len(contents) == 50


def test_a_batch_is_its_images_one_by_one() -> None:
    assert render_batch(9, 40, 5) == [render(9, index) for index in range(40, 45)]


def test_the_number_of_processes_changes_nothing() -> None:
    assert render_many(2, 300, processes=2) == render_many(2, 300, processes=1)


def test_classes_are_balanced(images: list[Rendered]) -> None:
    assert set(Counter(image.label for image in images).values()) == {100}


def test_about_one_image_in_ten_is_hard(images: list[Rendered]) -> None:
    assert 0.06 <= np.mean([image.hard for image in images]) <= 0.14


def test_aspects_keep_labels_true(images: list[Rendered]) -> None:
    for image in images:
        name = CLASSES[image.label]
        assert name not in ROUND or image.aspect <= MOST_ROUND
        assert name not in LONG or image.aspect >= LEAST_LONG


def test_at_least_six_tenths_of_every_outline_are_visible(images: list[Rendered]) -> None:
    assert min(image.visible for image in images) >= LEAST_VISIBLE
    assert any(image.visible < 0.8 for image in images)


def test_files_have_several_formats_and_sizes(images: list[Rendered]) -> None:
    headers = [declared(image.content) for image in images]
    formats = Counter(name for name, _, _ in headers)
    assert set(formats) == {"JPEG", "PNG", "WEBP"}
    assert formats["JPEG"] > len(images) / 2
    assert len({(width, height) for _, width, height in headers}) > 10


@given(names, seeds, st.floats(0, 0.8))
@settings(max_examples=200, deadline=None)
def test_perspective_and_an_unsteady_hand_leave_aspects_within_their_limits(name: str, seed: int, tilt: float) -> None:
    dice = Dice(seed=seed, index=0)
    drawn = aspect(unsteady(project(outline(name, dice), name, dice, tilt=tilt), dice, reach=0.03))
    assert name not in ROUND or drawn <= MOST_ROUND
    assert name not in LONG or drawn >= LEAST_LONG


@given(st.floats(1, 8), st.floats(0, 6.3), st.sampled_from(["circle", "square", "hexagon", "pentagon"]))
def test_aspect_is_the_stretch_of_a_regular_shape(stretch: float, angle: float, name: str) -> None:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    regular = outline(name, _Level())
    assert aspect(regular @ turn * (stretch, 1.0) @ turn + 7) == pytest.approx(stretch, rel=1e-6)


@given(names, seeds, st.sampled_from([(64, 64), (320, 213), (48, 64)]), st.floats(0.1, 0.95))
@settings(max_examples=100, deadline=None)
def test_a_shape_lies_wholly_inside_and_is_never_tiny(
    name: str, seed: int, size: tuple[int, int], share: float
) -> None:
    dice, frame = Dice(seed=seed, index=0), Frame(*size)
    points = place(outline(name, dice), frame, dice, size=(share, share), margin=2.0)
    assert points.min() >= 2 - 1e-6
    assert (points.max(axis=0) <= np.array(size) - 2 + 1e-6).all()
    assert np.ptp(points, axis=0).max() >= 0.36 * frame.long - 1e-6


@given(names, seeds, st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_what_an_occlusion_says_is_what_it_paints(name: str, seed: int, hidden: float) -> None:
    dice, frame = Dice(seed=seed, index=0), Frame(256, 256)
    points = place(outline(name, dice), frame, dice, size=(0.7, 0.7), margin=2.0)
    occlusion = occlude(points, name, frame, dice, hidden=hidden)
    painted = np.asarray(filled(frame, occlusion.corners))
    at = along(points, 100).round().astype(int)
    assert occlusion.visible >= LEAST_VISIBLE
    assert (painted[at[:, 1], at[:, 0]] < 128).mean() == pytest.approx(occlusion.visible, abs=0.3)


@given(names, seeds, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_every_stroke_leaves_a_mark_on_the_outline(name: str, seed: int, style: int) -> None:
    dice, frame = Dice(seed=seed, index=0), Frame(96, 96)
    points = place(outline(name, dice), frame, dice, size=(0.6, 0.9), margin=4.0)
    masks = (
        filled(frame, points),
        outlined(frame, points, 4.0),
        dashed(frame, points, 4.0, dice),
        by_hand(frame, points, 4.0, dice),
    )
    at = along(points, 100).astype(int).clip(0, 95)
    assert (np.asarray(masks[style])[at[:, 1], at[:, 0]] > 0).mean() >= 0.55


@given(seeds, st.floats(20, 60))
def test_ground_and_ink_differ_by_the_contrast_even_where_both_stray(seed: int, least: float) -> None:
    chosen = tones(Dice(seed=seed, index=0), contrast=(least, 190))
    assert abs(chosen.ground - chosen.ink) >= least
    assert chosen.spread * 2 < 0.33 * abs(chosen.ground - chosen.ink)


@given(seeds)
@settings(max_examples=30)
def test_dice_stay_within_what_was_asked(seed: int) -> None:
    dice = Dice(seed=seed, index=1)
    assert all(2 <= dice.uniform(2, 3) <= 3 for _ in range(150))
    assert all(0 <= dice.integer(7) < 7 for _ in range(150))
    assert {dice.weighted((("a", 0.5), ("b", 0.5))) for _ in range(100)} == {"a", "b"}


def test_the_bytes_of_the_first_images_do_not_drift_within_a_run() -> None:
    digests = {hashlib.sha256(b"".join(r.content for r in render_batch(1, 0, 24))).hexdigest() for _ in range(2)}
    assert len(digests) == 1


class _Level(Dice):
    """Dice whose every throw is the lowest: the shape of the book."""

    def __init__(self) -> None:
        super().__init__(seed=0, index=0)

    def uniform(self, low: float, high: float) -> float:
        return low
