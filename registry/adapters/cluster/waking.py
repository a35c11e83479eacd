"""Watches that wake the controller. Nothing depends on them: whatever they miss, the next turn lists."""

import logging
import threading
from dataclasses import dataclass

from registry.adapters.cluster.api import APPROVALS, PROMOTIONS, Api, Resource
from registry.domain.errors import RegistryError

LONG = 300
"""Seconds after which a watch begins anew."""

PAUSE = 5.0
"""Seconds before one that failed begins anew."""

_log = logging.getLogger(__name__)


@dataclass
class Waking:
    """Sets `wake` whenever a Promotion or an Approval changes."""

    api: Api
    wake: threading.Event

    def start(self) -> None:
        """In threads that end with the process."""
        for resource in (PROMOTIONS, APPROVALS):
            threading.Thread(target=self._watch, args=(resource,), name=resource.plural, daemon=True).start()

    def _watch(self, resource: Resource) -> None:
        while True:
            try:
                for _ in self.api.watch(resource, seconds=LONG):
                    self.wake.set()
            except RegistryError as error:
                _log.info("watch.ended reason=%s", error)
            threading.Event().wait(PAUSE)
