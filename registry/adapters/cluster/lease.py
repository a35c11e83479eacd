"""Who may act: the Lease of the namespace, held by plain reads and compare-and-swap updates.

Another holder's Lease is taken over when its record did not change for as long as it lasts, measured by this process's
own clock alone, so that clocks of two nodes are never compared. Who could not renew in time stops before another may
begin. The journal's compare-and-swap and resource versions hold beside it; a Lease that is edited loses no promotion.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from registry.adapters.cluster.api import LEASES, Api
from registry.domain.errors import Conflict, NotFound, RegistryError
from registry.domain.objects import Object

NAME = "geometry-controller"
LASTS, GIVE_UP, EVERY = 15, 10.0, 3.0
"""Seconds a record lasts, after which its holder stops without a renewal, and between two renewals."""

_log = logging.getLogger(__name__)


@dataclass
class Lease:
    """holder: this process's name, unlike any other's. clock: seconds, monotonic."""

    api: Api
    holder: str
    clock: Callable[[], float] = time.monotonic
    _seen: tuple[str, float] | None = None
    _renewed: float | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether this process may act now."""
        return self._renewed is not None and self.clock() - self._renewed < GIVE_UP

    def acquire(self, *, stopped: threading.Event) -> bool:
        """Wait until it is ours; False when `stopped` came first. It is renewed in the background from then on."""
        told = ""
        while not stopped.is_set():
            try:
                other = self.attempt()
            except RegistryError as error:
                other = str(error)
            if other is None:
                self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
                self._keeper.start()
                _log.info("lease.acquired holder=%s", self.holder)
                return True
            if other != told:
                told = other
                _log.info("lease.awaited reason=%s", other)
            stopped.wait(EVERY)
        return False

    def release(self) -> None:
        """Let the next one begin at once."""
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join(timeout=GIVE_UP)
        if not self.held:
            return
        self._renewed = None
        try:
            found = self.api.get(LEASES, NAME)
            if found["spec"].get("holderIdentity") == self.holder:
                self.api.replace(LEASES, {**found, "spec": {**found["spec"], "holderIdentity": "", **_times()}})
        except RegistryError as error:
            _log.info("lease.not_released reason=%s", error)

    def _keep(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                other = self.attempt()
            except RegistryError as error:
                _log.warning("lease.not_renewed reason=%s", error)
                continue
            if other is not None:
                _log.error("lease.lost reason=%s", other)
                self._renewed = None
                return

    def attempt(self) -> str | None:
        """Take or renew it; None when it is ours, else why not. Raises RegistryError where nobody answered."""
        asked = self.clock()
        try:
            found = self.api.get(LEASES, NAME)
        except NotFound:
            return self._written(lambda: self.api.create(LEASES, self._record({}, taken=True)), asked)
        spec = found.get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        if holder not in ("", self.holder) and not self._expired(found):
            return f"{holder} holds it"
        if holder != self.holder and self._renewed is not None:
            return f"{holder or 'nobody'} holds it now"
        record = self._record(found, taken=holder != self.holder)
        return self._written(lambda: self.api.replace(LEASES, record), asked)

    def _written(self, write: Callable[[], Object], asked: float) -> str | None:
        try:
            write()
        except Conflict as error:
            return f"another one was first: {error}"
        self._renewed = asked
        return None

    def _expired(self, found: Object) -> bool:
        """Whether the record stood still for as long as it lasts, since this process saw it first."""
        version, now = found["metadata"]["resourceVersion"], self.clock()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1] > int(found["spec"].get("leaseDurationSeconds") or LASTS)

    def _record(self, found: Object, *, taken: bool) -> dict[str, Any]:
        before = found.get("spec") or {}
        times = _times()
        spec = {**before, "holderIdentity": self.holder, "leaseDurationSeconds": LASTS, **times}
        if taken:
            transitions = int(before.get("leaseTransitions") or 0) + bool(before)
            spec |= {"acquireTime": times["renewTime"], "leaseTransitions": transitions}
        metadata = found.get("metadata") or {"name": NAME}
        return {"apiVersion": LEASES.group, "kind": "Lease", "metadata": metadata, "spec": spec}


def _times() -> dict[str, str]:
    return {"renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
