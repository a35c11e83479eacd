"""Events on objects, for `kubectl describe`; an event that cannot be written is no reason to stop."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from registry.adapters.cluster.api import EVENTS, Api
from registry.domain.documents import sha256
from registry.domain.errors import Conflict, RegistryError
from registry.domain.objects import Object

CONTROLLER = "ml-geometry.io/controller"
NOTE = 1024
"""Characters that a note may have."""

_log = logging.getLogger(__name__)


@dataclass
class Events:
    """Writes events of this controller. name: of its pod."""

    api: Api
    name: str = "geometry-controller"

    def tell(self, about: Object | None, reason: str, note: str) -> None:
        """Something that was decided."""
        self._write(about, "Normal", reason, note)

    def warn(self, about: Object | None, reason: str, note: str) -> None:
        """Something that somebody should look at."""
        self._write(about, "Warning", reason, note)

    def _write(self, about: Object | None, kind: str, reason: str, note: str) -> None:
        if about is None:
            return
        now, metadata = datetime.now(UTC), about["metadata"]
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{sha256((stamp + reason + note).encode())[:16]}"},
            "eventTime": stamp,
            "type": kind,
            "reason": reason,
            "note": note[:NOTE],
            "action": reason,
            "reportingController": CONTROLLER,
            "reportingInstance": self.name[:128],
            "regarding": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "namespace": self.api.namespace,
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        }
        try:
            self.api.create(EVENTS, event)
        except Conflict:
            return
        except RegistryError as error:
            _log.info("event.missing reason=%s error=%s", reason, error)
