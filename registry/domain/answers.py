"""What revisions answered to single images, by the id of the request, and the pairs that two of them make."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """One image: the id of its request, and its place in it."""

    id: str
    image: int


@dataclass(frozen=True)
class Answers:
    """Of one revision to live requests. known: the class it said, None where the same key came twice and says nothing.

    new: what was first heard of in this turn, as it was answered; what a controller that was just started finds is not.
    """

    known: Mapping[Key, str | None] = field(default_factory=dict)
    new: tuple[Key, ...] = ()


SILENT = Answers()


class Pair(NamedTuple):
    """The classes that canary and stable said to the same image."""

    canary: str
    stable: str


def pair(key: Key, canary: Answers, stable: Answers) -> Pair | None:
    """None unless both answered once."""
    mine, other = canary.known.get(key), stable.known.get(key)
    return None if mine is None or other is None else Pair(mine, other)


def new_pairs(canary: Answers, stable: Answers) -> Iterator[Pair]:
    """Pairs that this turn made, each of them once: at least one of the answers is new."""
    found = (pair(key, canary, stable) for key in dict.fromkeys((*canary.new, *stable.new)))
    return (made for made in found if made is not None)
