"""The id by which a request is found again: the caller's own, or one made here."""

import os
import re
from itertools import count

HEADER = "x-request-id"
_GIVEN = re.compile(rb"[!-~]{1,128}")


class RequestIds:
    """Made after the fork: the ids of two processes share no beginning."""

    def __init__(self) -> None:
        self._prefix = os.urandom(10).hex()
        self._numbers = count()

    def of(self, given: bytes | None) -> str:
        """The caller's id when it is 1 to 128 printable characters without spaces, else a new one."""
        if given is not None and _GIVEN.fullmatch(given):
            return given.decode("ascii")
        return f"{self._prefix}{next(self._numbers):012x}"
