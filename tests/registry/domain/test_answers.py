"""Pairs of answers to the same image."""

from hypothesis import given
from hypothesis import strategies as st

from registry.domain.answers import SILENT, Answers, Key, Pair, new_pairs, pair

A, B, C = Key("a", 0), Key("b", 0), Key("a", 1)


def test_answers_to_the_same_image_of_the_same_request_are_a_pair() -> None:
    canary, stable = Answers({A: "circle", C: "star"}), Answers({A: "square", B: "star"})
    assert pair(A, canary, stable) == Pair("circle", "square")
    assert pair(B, canary, stable) is None
    assert pair(C, canary, stable) is None


def test_an_id_that_came_twice_makes_no_pair() -> None:
    assert pair(A, Answers({A: None}), Answers({A: "circle"})) is None


def test_a_pair_is_new_when_either_answer_is_and_once_when_both_are() -> None:
    canary, stable = Answers({A: "circle", B: "star"}, (A,)), Answers({A: "circle", B: "circle"}, (A, B))
    assert list(new_pairs(canary, stable)) == [Pair("circle", "circle"), Pair("star", "circle")]
    assert list(new_pairs(Answers(canary.known), Answers(stable.known))) == []
    assert list(new_pairs(canary, SILENT)) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_each_pair_is_new_in_exactly_one_turn_whatever_comes_first(heard: list[tuple[bool, int]]) -> None:
    canary, stable, made = SILENT, SILENT, 0
    for mine, number in heard:
        key = Key(str(number), 0)
        told = Answers({**(canary if mine else stable).known, key: "circle"}, (key,))
        if key in (canary if mine else stable).known:
            continue
        canary, stable = (told, Answers(stable.known)) if mine else (Answers(canary.known), told)
        made += len(list(new_pairs(canary, stable)))
    assert made == len(canary.known.keys() & stable.known.keys())
