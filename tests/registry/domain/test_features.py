import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from registry.domain import features
from registry.domain.card import FEATURE_BUCKETS

sides = st.integers(1, 300)


def flat(value: int, side: int = 64) -> np.ndarray:
    return np.full((1, side, side, 3), value, np.uint8)


def lines(width: int, side: int = 64) -> np.ndarray:
    """Upright edges that take `width` pixels to rise and to fall."""
    wave = np.interp(np.arange(side) % 32, [0, width, 16, 16 + width], [0, 200, 200, 0])
    return np.broadcast_to(wave[None, None, :, None], (1, side, side, 3)).astype(np.uint8)


def test_one_tone_has_brightness_and_nothing_else() -> None:
    assert features.measure(flat(200)) == [(200.0, 0.0, 0.0)]


def test_the_wider_an_edge_the_less_dense_whatever_the_contrast() -> None:
    densities = [features.measure(lines(width))[0][2] for width in (1, 2, 4, 8)]
    assert densities == sorted(densities, reverse=True)
    assert densities[0] == pytest.approx(2**0.5, rel=0.05)
    assert features.measure(lines(1) // 2)[0][2] == pytest.approx(densities[0], rel=0.01)


def test_white_noise_is_denser_than_any_drawing() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), np.uint8)
    assert features.measure(noise)[0][2] == pytest.approx(3**0.5, rel=0.05)


@given(height=sides, width=sides, count=st.integers(1, 3), seed=st.integers(0, 99))
def test_an_image_of_any_size_is_measured_and_its_neighbours_change_nothing(height, width, count, seed) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    found = features.measure(images)
    assert found == [row for image in images for row in features.measure(image[None])]
    assert all(0 <= bright <= 255 and 0 <= spread <= 127.5 and 0 <= dense <= 2 for bright, spread, dense in found)
    assert features.measure(images.astype(np.float32)) == found


@given(arrays(np.uint8, st.tuples(st.just(1), st.integers(1, 40), st.integers(1, 80), st.just(3))))
def test_numbers_are_those_of_their_definitions(images) -> None:
    path = images.ravel()[features._path(*images.shape[1:])].astype(np.int64)
    middle, first, second = path[1:-1], np.diff(path), np.diff(path, 2)
    slopes = int((first[:-1] ** 2 + first[1:] ** 2).sum())
    bends = int((second**2).sum())
    wanted = (middle.mean(), middle.std(), (2 * bends / slopes) ** 0.5 if slopes else 0.0)
    assert features.measure(images)[0] == pytest.approx(wanted, rel=1e-9, abs=1e-5)


def test_a_large_image_is_looked_at_in_as_few_places_as_a_small_one() -> None:
    places = [len(features._path(side, side, 3)) for side in (64, 224, 256, 1024)]
    assert max(places) < 1.2 * min(places)


@given(arrays(np.float64, array_shapes(max_dims=1), elements=st.floats(0, 255)))
def test_every_value_is_counted_between_rising_edges(values) -> None:
    edges, counts = features.histogram(features.edges_of("brightness", values), values)
    assert list(edges) == sorted(set(edges))
    assert (len(counts), sum(counts)) == (len(edges) - 1, len(values))
    assert len(counts) <= FEATURE_BUCKETS


@pytest.mark.parametrize("shift", [-60, 60])
def test_a_move_in_either_direction_moves_the_counts(shift: float) -> None:
    values = np.random.default_rng(2).normal(120, 15, 2000)
    edges, before = features.histogram(features.edges_of("brightness", values), values)
    _, after = features.histogram(edges, values + shift)
    assert sum(max(0, late - early) for early, late in zip(before, after, strict=True)) > 1700


@pytest.mark.parametrize(("name", "usual", "other"), [("aspect", 1.0, 4 / 3), ("size_bytes", 12_342.0, 3_000.0)])
def test_a_value_that_never_varied_is_told_from_others(name: str, usual: float, other: float) -> None:
    values = np.full(500, usual)
    edges, before = features.histogram(features.edges_of(name, values), values)
    assert before != features.histogram(edges, np.full(500, other))[1]


def test_a_reference_has_files_features_only_where_every_image_was_a_file() -> None:
    pixels = features.measure(np.random.default_rng(3).integers(0, 256, (4, 64, 64, 3), np.uint8))
    files = [(*row, *features.measure_file(64, 48, 2000)) for row in pixels]
    assert tuple(features.reference(files)) == features.NAMES
    assert tuple(features.reference([*files, pixels[0]])) == features.PIXELS


def test_a_card_without_features_has_the_default_edges() -> None:
    own = (0.0, 100.0, 255.0)
    found = features.every_edges({"brightness": (own, (1, 2)), "unknown": ((0.0, 1.0), (1,))})
    assert found == {**features.DEFAULT_EDGES, "brightness": own}
    assert all(len(edges) == FEATURE_BUCKETS + 1 for edges in features.DEFAULT_EDGES.values())
