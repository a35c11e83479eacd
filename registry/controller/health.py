"""How the controller is: alive while turns end, ready once one ended and it may act; and its metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from registry.controller.exported import ACTING, TURN_SECONDS, TURNS

LONGEST = 300.0
"""Seconds a turn may take: it hashes new versions and verifies a journal of any length at the start."""


@dataclass
class Health:
    """holds: whether this process may act, as the lock or the Lease is its own. clock: seconds, monotonic. missing:
    what keeps it from its first turn. _since: when the turn that goes on began, None before the first."""

    holds: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    missing: str | None = None
    _turns: int = 0
    _since: float | None = None

    def __post_init__(self) -> None:
        self._counted = Counter(TURNS, "Turns that ended.", ["result"], registry=self.registry)
        for result in ("ok", "failed"):
            self._counted.labels(result)
        self._took = Histogram(
            TURN_SECONDS,
            "From the end of one turn to the end of the next, waiting included.",
            buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60),
            registry=self.registry,
        )
        Gauge(ACTING, "1 while the lock or the Lease is its own.", registry=self.registry).set_function(
            lambda: float(self.holds())
        )

    def turned(self, *, fine: bool) -> None:
        """A turn ended."""
        now = self.clock()
        self._counted.labels("ok" if fine else "failed").inc()
        if self._since is not None:
            self._took.observe(now - self._since)
        self._turns, self._since = self._turns + 1, now

    def goes_on(self, fine: bool | None) -> bool:
        """Whether another turn may begin. fine: how the last one ended, None before the first."""
        if fine is None:
            self._since = self.clock()
        else:
            self.turned(fine=fine)
        return self.holds()

    def why_dead(self) -> str | None:
        """Why this process should be started again; None while it should not. Waiting for the Lease is no reason."""
        took = 0.0 if self._since is None else self.clock() - self._since
        return f"no turn ended for {took:.0f} s, wanted one every {LONGEST:g} s" if took > LONGEST else None

    def why_unready(self) -> str | None:
        """Why nothing should be asked of it; None where something may."""
        if not self.holds():
            return "another controller holds the Lease"
        return None if self._turns else self.missing or "the first turn goes on"

    def metrics(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)
