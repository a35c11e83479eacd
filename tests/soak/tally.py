"""What the clients of a soak were told, counted by all of them at once."""

from collections import Counter
from collections.abc import Mapping
from threading import Lock

LEFT, LOST, HUNG = "left", "lost", "hung"


class Tally:
    """Outcomes by kind. `LEFT`: the client went; `LOST`: the server hung up unasked; `HUNG`: it never answered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._answered = 0
        self._images = 0
        self._maybe = 0
        self.surprises: list[str] = []

    def count(self, kind: str, outcome: str, *, images: int = 0, wanted: bool = True) -> None:
        """images: that a good answer classified. wanted: the outcome is one of those that were asked for."""
        with self._lock:
            self._counts[kind, outcome] += 1
            if images:
                self._answered += 1
                self._images += images
            if not wanted:
                self.surprises.append(f"{kind}: {outcome}")

    def maybe(self) -> None:
        """A whole prediction was sent whose answer nobody waits for: it may be counted, or not."""
        with self._lock:
            self._maybe += 1

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        with self._lock:
            return Counter(self._counts)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def answered(self) -> tuple[int, int]:
        """Good answers to predictions that were seen, and the most that the server may have given."""
        with self._lock:
            lost = sum(count for (_, outcome), count in self._counts.items() if outcome in (LOST, HUNG))
            return self._answered, self._answered + self._maybe + lost
