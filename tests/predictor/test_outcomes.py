import os
from collections import Counter
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.outcomes import LIFETIME, Outcomes, Ring
from predictor.query import Predictions
from tests.predictor.forks import fork, forked

NOW = 1_772_357_400.125
ONE = Predictions([1], [0.75], [], np.empty(0, np.float32))
THREE = Predictions([0, 1, 0], [0.25, 0.5, 0.75], [], np.empty(0, np.float32))


def outcomes(*, rings: int = 2, capacity: int = 8) -> Outcomes:
    return Outcomes(("circle", "star"), rings=rings, capacity=capacity)


def ids(answer: dict) -> list[str]:
    return [one["id"] for one in answer["outcomes"]]


def test_every_image_is_an_outcome_as_the_contract_has_it() -> None:
    kept = outcomes()
    kept.add("live", THREE, "a-7", NOW)
    kept.add("pinned", ONE, "b", NOW)
    found = kept.read(None, NOW)["outcomes"]
    assert [(one["id"], one["index"], one["class"], one["traffic"]) for one in found] == [
        ("a-7", 0, "circle", "live"),
        ("a-7", 1, "star", "live"),
        ("a-7", 2, "circle", "live"),
        ("b", 0, "star", "pinned"),
    ]
    assert [one["confidence"] for one in found] == [0.25, 0.5, 0.75, 0.75]
    assert {one["time"] for one in found} == {"2026-03-01T09:30:00.125Z"}


def test_a_cursor_goes_on_where_the_last_answer_ended() -> None:
    kept = outcomes()
    kept.add("live", ONE, "first", NOW)
    first = kept.read(None, NOW)
    assert (ids(first), first["lost"]) == (["first"], None)
    kept.add("live", ONE, "second", NOW)
    second = kept.read(first["cursor"], NOW)
    assert (ids(second), second["lost"]) == (["second"], 0)
    third = kept.read(second["cursor"], NOW)
    assert (ids(third), third["lost"], third["cursor"]) == ([], 0, second["cursor"])


def test_what_was_overwritten_or_is_too_old_is_lost_and_counted() -> None:
    kept = outcomes(capacity=4)
    start = kept.read(None, NOW)["cursor"]
    for number in range(6):
        kept.add("live", ONE, str(number), NOW + number)
    answer = kept.read(start, NOW + LIFETIME + 3.5)
    assert (ids(answer), answer["lost"]) == (["4", "5"], 4)
    assert kept.read(answer["cursor"], NOW)["lost"] == 0


def test_processes_are_merged_by_time_and_an_answer_is_bounded() -> None:
    kept = outcomes()
    for number, ring in enumerate([0, 1, 1, 0, 1]):
        kept.attach(ring)
        kept.add("live", ONE, str(number), NOW + number)
    first = kept.read(None, NOW, limit=3)
    second = kept.read(first["cursor"], NOW, limit=3)
    assert (ids(first), ids(second), second["lost"]) == (["0", "1", "2"], ["3", "4"], 0)


def test_a_clock_set_back_neither_repeats_nor_skips() -> None:
    kept = outcomes()
    for ring, number, time in [(0, 0, 50), (0, 1, 10), (1, 2, 20), (1, 3, 30)]:
        kept.attach(ring)
        kept.add("live", ONE, str(number), NOW + time)
    cursor, found = None, []
    while (answer := kept.read(cursor, NOW, limit=1))["outcomes"]:
        cursor, found = answer["cursor"], [*found, *ids(answer)]
    assert found == ["2", "3", "0", "1"]


@pytest.mark.parametrize("change", ["{0}.1", "x{0}", "{0}9999", "", "0.0.0", "{0}\n", "{1}.1.²", "{1}." + "9" * 5000])
def test_a_cursor_that_is_none_of_this_pod_starts_at_the_oldest(change: str) -> None:
    kept = outcomes()
    kept.add("live", ONE, "a", NOW)
    cursor = kept.read(None, NOW)["cursor"]
    answer = kept.read(change.format(cursor, cursor.split(".")[0]), NOW)
    assert (ids(answer), answer["lost"]) == (["a"], None)


def test_another_pods_cursor_is_not_ours() -> None:
    assert outcomes().read(outcomes().read(None, NOW)["cursor"], NOW)["lost"] is None


@given(st.text())
def test_of_a_long_id_the_first_128_bytes_stay(request_id: str) -> None:
    kept = outcomes()
    kept.add("live", ONE, request_id[:50] + "x" * 200, NOW)
    (found,) = ids(kept.read(None, NOW))
    assert (request_id[:50] + "x" * 200).startswith(found.rstrip("\ufffd"))
    assert len(found.encode()) >= 126


@given(st.integers(0, 2**16), st.integers(1, 255))
def test_a_record_that_its_writer_was_killed_in_is_gone(byte: int, change: int) -> None:
    ring = Ring(4)
    for number in range(6):
        ring.add(NOW, 0.5, 0, 1, 0, b"%d" % number)
    size = len(ring._records) // 4
    oldest = 2 * size
    used = len(bytes(ring._records[oldest : oldest + size]).rstrip(b"\0"))
    ring._records[oldest + byte % used] ^= change
    found, end = ring.read(0, since=0, limit=9)
    assert ([one.id for one in found], end) == (["3", "4", "5"], 6)


def test_a_record_that_a_reader_does_not_see_yet_is_waited_for() -> None:
    ring = Ring(4)
    for number in range(3):
        ring.add(NOW, 0.5, 0, 1, 0, b"%d" % number)
    second = len(ring._records) // 4
    ring._records[second] ^= 1
    found, end = ring.read(0, since=0, limit=9)
    assert ([one.id for one in found], end) == (["0"], 1)
    ring._records[second] ^= 1
    found, end = ring.read(end, since=0, limit=9)
    assert ([one.id for one in found], end) == (["1", "2"], 3)


def test_a_reader_beside_writers_that_overtake_it_repeats_nothing_and_counts_what_it_lost() -> None:
    kept, each = outcomes(capacity=64), 20_000

    def write(ring: int) -> None:
        kept.attach(ring)
        for number in range(each):
            kept.add("live", ONE, f"{ring}:{number}", NOW)

    cursor = kept.read(None, NOW)["cursor"]
    writers = {fork(lambda ring=ring: write(ring)) for ring in (0, 1)}
    last, seen, lost, answer = {"0": -1, "1": -1}, 0, 0, {"outcomes": []}
    while writers or answer["outcomes"]:
        writers -= {os.waitpid(pid, os.WNOHANG)[0] for pid in writers}
        answer = kept.read(cursor, NOW, limit=50)
        cursor, lost, seen = answer["cursor"], lost + answer["lost"], seen + len(answer["outcomes"])
        for ring, number in (one.split(":") for one in ids(answer)):
            assert int(number) > last[ring]
            last[ring] = int(number)
    assert seen + lost == 2 * each


def test_a_successor_goes_on_in_the_ring_of_a_killed_writer() -> None:
    kept, cursor, found = outcomes(capacity=64), None, []

    def write(start: int) -> None:
        kept.attach(0)
        for number in count(start):
            kept.add("live", ONE, str(number), NOW)

    for life in range(20):
        target = len(found) + 200
        with forked(lambda life=life: write(life * 10**9)):
            while len(found) < target:
                answer = kept.read(cursor, NOW)
                cursor, found = answer["cursor"], found + ids(answer)
    found += ids(kept.read(cursor, NOW))
    assert found == sorted(found, key=int)
    assert Counter(found).most_common(1)[0][1] == 1
    assert {int(one) // 10**9 for one in found} == set(range(20))
