import math
from datetime import timedelta

import numpy as np
import pytest

from registry.domain.drift import QUIET, TICK
from registry.domain.drift_counts import CLASSES, CONFIDENCE, SIGNALS, Bins, LiveCounts
from registry.domain.drift_evidence import tolerance
from registry.domain.drift_reference import Week
from registry.domain.drift_watch import LOG_BOUND, Watch
from registry.domain.policy import DriftPolicy
from tests.registry.domain.drifting import EDGES, MIX, NAMES, QUICK, SURE, Stream, none_yet, promoted, subject

SHIFTED = (0.1, 0.45, 0.2, 0.15, 0.1)
"""A total variation of .2 from MIX."""

UNSURE = tuple(SURE[::-1])


def judged(seed: int = 0, **how: object) -> Stream:
    """After the reference of the classes is there."""
    stream = Stream(seed=seed, **how).ticks(30)  # type: ignore[arg-type]
    assert stream.what() == [("reference", CLASSES)]
    return stream


@pytest.mark.parametrize("seed", range(3))
def test_answers_as_ever_alarm_nobody(seed: int) -> None:
    assert Stream(seed=seed).ticks(150).what() == [("reference", CLASSES)]


@pytest.mark.parametrize("seed", range(3))
def test_a_class_mix_that_moves_alarms_once_and_says_which_classes(seed: int) -> None:
    stream = judged(seed)
    began = stream.now
    assert stream.until(CLASSES, most=12, mix=SHIFTED) <= 1200
    told = stream.findings[-1].data
    assert {moved["name"] for moved in told["effect"]["moved"][:2]} == {"circle", "square"}
    assert told["effect"]["against"] == "production"
    assert told["log_e"] + np.log(len(SIGNALS)) >= LOG_BOUND
    assert abs(stream.now - timedelta(minutes=told["ticks"]) - began) <= timedelta(minutes=12)
    assert stream.ticks(60, mix=SHIFTED).what().count(("alarm", CLASSES)) == 1


def test_confidence_that_falls_alarms_against_the_card() -> None:
    stream = Stream().ticks(30)
    assert stream.until(CONFIDENCE, most=5, sure=UNSURE) <= 500
    assert stream.findings[-1].data["effect"]["against"] == "card"


def test_confidence_that_falls_while_its_overdispersion_is_learned_alarms_later() -> None:
    stream = Stream(policy=DriftPolicy(minimum=2000, days=7)).ticks(19)
    assert stream.until(CONFIDENCE, most=60, sure=UNSURE) <= 6000


def test_an_episode_ends_after_calm_and_the_next_one_alarms_again() -> None:
    stream = judged()
    stream.until(CLASSES, most=12, mix=SHIFTED)
    stream.ticks(QUIET + 5)
    assert stream.what()[-1] == ("recovered", CLASSES)
    assert stream.until(CLASSES, most=12, mix=SHIFTED) <= 1200


def test_the_class_mix_alarms_only_against_enough_of_production() -> None:
    stream = Stream(policy=DriftPolicy(minimum=2000, days=7)).ticks(60).ticks(60, mix=SHIFTED)
    assert stream.what() == []
    assert stream.watch.dispersions is None


def test_a_promotion_keeps_the_reference_and_begins_evidence_anew() -> None:
    stream = judged()
    stream.ticks(2, mix=SHIFTED)
    reference = stream.watch.week
    promoted(stream, subject("2"))
    assert (stream.watch.week, stream.watch.version, stream.watch.ticks) == (reference, "2", 0)
    assert stream.until(CLASSES, most=14, mix=SHIFTED) <= 1400


def test_a_version_that_answers_an_alarm_of_the_class_mix_learns_what_is_usual_anew() -> None:
    stream = judged()
    stream.until(CLASSES, most=12, mix=SHIFTED)
    promoted(stream, subject("2"))
    assert stream.what()[-1] == ("relearning", CLASSES)
    assert stream.ticks(60, mix=SHIFTED).what()[-1] == ("reference", CLASSES)


def test_a_version_with_other_classes_learns_its_own_mix() -> None:
    stream = judged()
    promoted(stream, subject("2", classes=NAMES[::-1]))
    assert stream.findings[-1].data["reason"] == "the version has other classes"
    assert stream.ticks(60).what()[-1] == ("reference", CLASSES)


@pytest.mark.parametrize("processes", [1, 2, 10])
def test_verdicts_do_not_depend_on_replicas_nor_on_restarts_of_the_controller(processes: int) -> None:
    alone, split = Stream(seed=7), Stream(seed=7, processes=processes, restarts=True)
    for stream in (alone, split):
        stream.ticks(30).ticks(30, mix=SHIFTED, sure=UNSURE)
    assert {CLASSES, CONFIDENCE} <= {name for _, name in alone.what()}
    assert split.findings == alone.findings
    assert split.logs() == alone.logs()


def test_a_pod_that_is_replaced_counts_from_its_start() -> None:
    alone, replaced = Stream(seed=7), Stream(seed=7)
    for stream in (alone, replaced):
        stream.ticks(30)
        if stream is replaced:
            stream.counted = {"pod-1": none_yet(stream.subject)}
        stream.ticks(30, mix=SHIFTED)
    assert replaced.findings == alone.findings


def test_a_tick_lasts_a_minute_and_a_hundred_answers() -> None:
    stream = Stream(seconds=10)
    stream.ticks(5, n=99)
    assert stream.watch.ticks == 0
    stream.ticks(1, n=1)
    assert stream.watch.ticks == 1
    stream.ticks(9, n=11)
    assert stream.watch.ticks == 1
    stream.ticks(1, n=1)
    assert stream.watch.ticks == 2


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_clock_that_jumps_adds_no_time(jump: timedelta) -> None:
    stream = Stream(seconds=10)
    stream.now += jump
    stream.ticks(1, n=500)
    assert (stream.watch.ticks, stream.watch.seconds) == (0, 0.0)
    stream.ticks(6)
    assert stream.watch.ticks == 1
    assert stream.watch.week is not None
    assert stream.watch.week.watched == TICK


def test_counters_that_go_back_without_a_restart_are_told_and_alarm_nobody() -> None:
    stream = judged()
    stream.counted = {name: LiveCounts(dict.fromkeys(NAMES, 1)) for name in stream.counted}
    stream.read()
    assert stream.watch.problem == "counters of pod-0 went back without a restart"
    stream.counted = {
        name: LiveCounts(dict.fromkeys(NAMES, 0), {CONFIDENCE: Bins(EDGES, (0,) * 21)}) for name in ("b",)
    }
    assert stream.ticks(60).what() == [("reference", CLASSES)]
    assert stream.watch.problem is None


def test_a_class_that_is_never_predicted_is_no_drift_and_one_that_appears_is() -> None:
    mix = (0.4, 0.3, 0.2, 0.1, 0.0)
    stream = Stream().ticks(120, mix=mix)
    assert stream.what() == [("reference", CLASSES)]
    assert stream.until(CLASSES, most=20, mix=(0.35, 0.3, 0.2, 0.1, 0.05)) <= 2000
    assert stream.findings[-1].data["effect"]["moved"][0]["name"] == "ellipse"


def test_a_card_without_reference_shows_nothing_of_confidence() -> None:
    stream = Stream(subject=subject(card=(0.0,) * 20)).ticks(30).ticks(30, sure=UNSURE)
    assert stream.what() == [("reference", CLASSES)]
    assert stream.watch.signal(CONFIDENCE).counts == ()


def test_a_card_whose_images_are_all_in_one_bin_shows_what_leaves_it() -> None:
    stream = Stream(subject=subject(card=(*[0.0] * 19, 1.0))).ticks(25, sure=(*[0.0] * 19, 1.0))
    assert stream.until(CONFIDENCE, most=5, sure=(*[0.0] * 17, 0.2, 0.2, 0.6)) <= 500


def test_a_model_with_one_class_never_drifts_in_it() -> None:
    stream = Stream(subject=subject(classes=("circle",))).ticks(60, mix=(1.0,))
    assert stream.what() == [("reference", CLASSES)]
    assert stream.watch.signal(CLASSES).log < 0


def test_counts_of_other_classes_than_the_card_has_are_not_compared() -> None:
    stream = judged()
    before = stream.watch.signal(CLASSES)
    stream.counted = {name: LiveCounts({**found.classes, "other": 900}) for name, found in stream.counted.items()}
    stream.read()
    assert stream.watch.ticks == 31
    assert stream.watch.signal(CLASSES) == before


def test_a_histogram_with_other_bins_than_the_card_is_not_compared() -> None:
    stream = Stream().ticks(30)
    before = stream.watch.signal(CONFIDENCE)
    other = {CONFIDENCE: Bins((0.5, 1.0), (1000, 0, 0))}
    more = LiveCounts(dict.fromkeys(NAMES, 100)).classes
    stream.counted = {
        name: LiveCounts({each: found.classes[each] + more[each] for each in NAMES}, other)
        for name, found in stream.counted.items()
    }
    stream.read()
    assert stream.watch.signal(CONFIDENCE).counts == before.counts


def test_without_traffic_nothing_is_evaluated() -> None:
    stream = judged()
    before = stream.watch
    stream.ticks(100, n=0)
    assert stream.watch.signals == before.signals
    assert stream.watch.evaluated == before.evaluated


def test_a_week_that_differs_by_day_is_no_drift() -> None:
    """Weekends have another mix, in the reference and after it."""
    stream = Stream(policy=DriftPolicy(minimum=2000, days=7), seconds=60)

    def day(mix: tuple[float, ...]) -> None:
        for _ in range(12):
            stream.answer(1000, mix=mix)
            stream.read()
            for _ in range(119):
                stream.read()

    for weekday in range(21):
        day(SHIFTED if weekday % 7 >= 5 else MIX)
    assert stream.what() == [("reference", CLASSES)]


def test_a_watch_that_knows_nothing_begins_with_the_counters_it_finds() -> None:
    stream = judged()
    stream.ticks(20, mix=SHIFTED)
    fresh = Stream(seed=3)
    fresh.counted, fresh.watch = stream.counted, Watch()
    fresh.read()
    assert fresh.ticks(30).what() == [("reference", CLASSES)]
    assert QUICK.minimum <= sum(sum(row) for row in fresh.watch.week.counts)  # type: ignore[union-attr]


def test_a_day_that_was_watched_twice_counts_once_and_a_minute_no_more_than_a_minute() -> None:
    week = Week.empty(("circle", "square")).add((6000, 0), place=0, seconds=6 * 3600)
    twice = week.add((6000, 0), place=0, seconds=6 * 3600).add((0, 6000), place=1, seconds=6 * 3600)
    assert twice.mean()[0] == pytest.approx([0.5, 0.5])
    shares, size = week.add((0, 10), place=1, seconds=36).mean()
    assert (shares[1], size) == (pytest.approx(10 / 6010), pytest.approx(6010))


@pytest.mark.parametrize("shift", [0, 0.7])
def test_a_mix_that_swings_over_the_day_is_no_drift_at_its_height_either(shift: float) -> None:
    week = Week.empty(("circle", "square"))
    shares = [0.5 + 0.1 * math.sin(2 * math.pi * hour / 24 + shift) for hour in range(7 * 24)]
    for hour, share in enumerate(shares):
        counts = (round(10_000 * share), 10_000 - round(10_000 * share))
        week = week.add(counts, place=hour // 6, seconds=3600)
    box = week.box(1.0)
    assert box.low[0] <= min(shares)
    assert box.high[0] >= max(shares)
    assert box.high[0] - 0.5 < 0.17


def test_parts_of_the_week_that_differ_by_chance_widen_nothing() -> None:
    week, dice = Week.empty(("circle", "square")), np.random.default_rng(5)
    for place in range(28):
        circles = int(dice.binomial(1000, 0.5))
        week = week.add((circles, 1000 - circles), place=place, seconds=6 * 3600)
    shares, size = week.mean()
    assert week.box(1.0).high == pytest.approx(shares + tolerance(shares, size, 1.0))
