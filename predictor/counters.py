"""Numbers that all processes of a pod share: cells of float64 in memory that a fork inherits.

Each process writes its own slot and no other, so nothing is locked, and whoever is asked adds all slots up. A store of
eight aligned bytes is atomic on x86-64 and arm64: a reader sees a number before or after an increment, a process killed
at any instruction leaves whole numbers, and its successor in the slot counts on from them.
"""

import math
from mmap import mmap

# A slot fills whole cache lines: two processes writing in one line would slow each other down.
LINE = 8


class Counters:
    """Slots of equal cells, all 0. Made before the fork."""

    def __init__(self, *, cells: int, slots: int) -> None:
        self._width = -(-cells // LINE) * LINE
        self._cells = memoryview(mmap(-1, 8 * self._width * slots)).cast("d")
        self._slots = slots

    def slot(self, number: int) -> "memoryview[float]":
        """The cells of one slot, to be written by the one process that has it."""
        return self._cells[number * self._width : (number + 1) * self._width]

    def total(self) -> list[float]:
        """Each cell's sum over all slots. Of a cell that only grows, no later total is smaller."""
        # Each cell is loaded once, by itself. fsum rounds the exact sum, which only grows; sum() may round otherwise.
        rows = [self.slot(number).tolist() for number in range(self._slots)]
        return [math.fsum(column) for column in zip(*rows, strict=True)]
