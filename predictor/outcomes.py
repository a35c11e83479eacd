"""The last answers of a pod, image by image, for whoever compares what two revisions said to the same request.

Each process writes its own ring, in memory that a fork inherits; any process reads all of them. Nothing is locked: a
record carries its number and a checksum over itself, so that one which was read while it was overwritten, or whose
writer was killed in it, is known as gone whatever order a processor makes its stores visible in.
"""

import heapq
import re
import secrets
import struct
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from mmap import mmap
from typing import NamedTuple
from zlib import crc32

from predictor.query import Predictions
from predictor.tally import TRAFFIC, Traffic
from registry.domain.documents import timestamp

# Images that each process remembers, for how many seconds, and how many one answer brings: the event loop makes it.
CAPACITY = 10_000
LIFETIME = 900.0
LIMIT = 1000

_ID_BYTES = 128
_CHECKSUM = struct.Struct("I")
# Number in the ring, time, confidence, place in the request, class, traffic, length of the request's id, which follows.
_HEAD = struct.Struct("QddHHBB")
_SIZE = _CHECKSUM.size + _HEAD.size + _ID_BYTES


class Outcome(NamedTuple):
    """What one image of a request was answered (a tuple, because thousands are read at once).

    number: its place since the ring was made. time: Unix time. image: its place in the request. traffic: in TRAFFIC.
    """

    number: int
    time: float
    confidence: float
    image: int
    winner: int
    traffic: int
    id: str


class Ring:
    """The last outcomes of one process. Its memory is touched only as it is filled."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        memory = memoryview(mmap(-1, 8 + capacity * _SIZE))
        self._written, self._records = memory[:8].cast("Q"), memory[8:]

    @property
    def written(self) -> int:
        """How many were ever written."""
        return self._written[0]

    def add(self, time: float, confidence: float, image: int, winner: int, traffic: int, id: bytes) -> None:
        """Write one; id: at most 128 bytes."""
        number = self._written[0]
        at = number % self._capacity * _SIZE
        content = _HEAD.pack(number, time, confidence, image, winner, traffic, len(id)) + id
        self._records[at : at + _CHECKSUM.size + len(content)] = _CHECKSUM.pack(crc32(content)) + content
        # Last: a writer killed before this line has added nothing, and its successor writes the same place again.
        self._written[0] = number + 1

    def read(self, start: int, *, since: float, limit: int) -> tuple[list[Outcome], int]:
        """Up to `limit` outcomes from number `start` on that are still there and not from before `since`.

        Returns with them the number to go on from. What lies between and is not returned is gone.
        """
        end = self.written
        number = max(start, end - self._capacity)
        found: list[Outcome] = []
        while number < end and len(found) < limit:
            outcome = self._outcome(number)
            if outcome is None and number > self.written - self._capacity:
                break  # Nothing overwrites it yet: this processor has still to see it.
            if outcome is not None and outcome.time >= since:
                found.append(outcome)
            number += 1
        return found, number

    def _outcome(self, number: int) -> Outcome | None:
        """The one of that number when it is there, whole."""
        at = number % self._capacity * _SIZE
        copy = self._records[at : at + _SIZE].tobytes()
        found, time, confidence, image, winner, traffic, length = _HEAD.unpack_from(copy, _CHECKSUM.size)
        content = copy[_CHECKSUM.size : _CHECKSUM.size + _HEAD.size + length]
        if found != number or _CHECKSUM.unpack_from(copy)[0] != crc32(content):
            return None
        return Outcome(number, time, confidence, image, winner, traffic, content[_HEAD.size :].decode(errors="replace"))


class Outcomes:
    """The rings of a pod's processes. Made before the fork; each process attaches to its own ring."""

    def __init__(self, classes: Sequence[str], *, rings: int, capacity: int = CAPACITY) -> None:
        self._classes = classes
        self._instance = secrets.token_hex(8)
        self._rings = tuple(Ring(capacity) for _ in range(rings))
        self._own = self._rings[-1]

    def attach(self, ring: int) -> None:
        """Add to this ring from now on, where a predecessor ended."""
        self._own = self._rings[ring]

    def add(self, traffic: Traffic, predictions: Predictions, request_id: str, now: float) -> None:
        """One outcome per image; of the id its first 128 bytes."""
        name, kind = request_id.encode(errors="replace")[:_ID_BYTES], TRAFFIC.index(traffic)
        for index, winner in enumerate(predictions.winners):
            self._own.add(now, predictions.confidence[index], index, winner, kind, name)

    def read(self, after: str | None, now: float, limit: int = LIMIT) -> dict[str, object]:
        """What was answered after a cursor of an earlier answer, oldest first, up to `limit` outcomes.

        `lost`: how many after the cursor are gone, overwritten or too old. None when the cursor is missing or not one
        of this pod: then the answer starts with the oldest there is. Following the cursors brings every other outcome
        once; an answer without outcomes says that there are no more by now.
        """
        known = self._positions(after or "")
        starts = known or [0] * len(self._rings)
        parts = [
            ring.read(start, since=now - LIFETIME, limit=limit) for ring, start in zip(self._rings, starts, strict=True)
        ]
        # By time, but each ring in its own order even when a clock was set back: what is left over is each one's end.
        streams = [[(one.time, place, one) for one in found] for place, (found, _) in enumerate(parts)]
        merged = list(islice(heapq.merge(*streams), limit))
        taken = Counter(place for _, place, _ in merged)
        ends = [
            found[taken[place]].number if taken[place] < len(found) else end for place, (found, end) in enumerate(parts)
        ]
        return {
            "cursor": ".".join([self._instance, *map(str, ends)]),
            "lost": None if known is None else sum(ends) - sum(known) - len(merged),
            "outcomes": [self._shown(outcome) for _, _, outcome in merged],
        }

    def _positions(self, cursor: str) -> list[int] | None:
        """Where in each ring a cursor stands; None when it is none of this pod."""
        if not re.fullmatch(rf"{self._instance}(\.[0-9]{{1,18}}){{{len(self._rings)}}}", cursor):
            return None
        positions = [int(number) for number in cursor.split(".")[1:]]
        reached = all(number <= ring.written for number, ring in zip(positions, self._rings, strict=True))
        return positions if reached else None

    def _shown(self, outcome: Outcome) -> dict[str, object]:
        return {
            "id": outcome.id,
            "index": outcome.image,
            "time": timestamp(datetime.fromtimestamp(outcome.time, UTC)),
            "class": self._classes[outcome.winner],
            "confidence": outcome.confidence,
            "traffic": TRAFFIC[outcome.traffic],
        }
