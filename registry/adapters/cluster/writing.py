"""Writes objects of a release, each against the resource version it was seen at, and notices hands of others.

Nothing is written that is as it was written last: an object is written again when something else is wanted of it, or
when its generation says that somebody changed it since.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from registry.adapters.cluster.api import Api, resource_of
from registry.adapters.cluster.sight import anchor_of
from registry.domain.documents import canonical_bytes, sha256
from registry.domain.objects import Object

_log = logging.getLogger(__name__)


@dataclass
class Writer:
    """repaired: told of an object that was put right after somebody else had changed it."""

    api: Api
    repaired: Callable[[Object], None]
    _written: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def put(self, made: Object, seen: Mapping[str, Object]) -> bool:
        """Make the object of this name so; says whether something was written. Raises Conflict when it was changed
        since it was seen."""
        key, wanted = (made["kind"], made["metadata"]["name"]), sha256(canonical_bytes(made))
        found = seen.get(key[1])
        if found is None:
            answer = self.api.create(resource_of(made), made)
        elif self._as_written(key, wanted, found, made):
            return False
        else:
            answer = self.api.apply(resource_of(made), made, version=found["metadata"]["resourceVersion"])
            if self._touched(key, wanted, found):
                _log.warning("object.repaired kind=%s name=%s", *key)
                self.repaired(answer)
        generation = answer["metadata"].get("generation", 0)
        if found is None or generation != found["metadata"].get("generation", 0):
            _log.info("object.written kind=%s name=%s generation=%s", *key, generation)
        self._written[key] = (wanted, generation)
        return True

    def remove(self, kind: Object) -> None:
        """Delete this very object."""
        self.api.delete(resource_of(kind), kind["metadata"]["name"], uid=kind["metadata"]["uid"])
        self._written.pop((kind["kind"], kind["metadata"]["name"]), None)
        _log.info("object.deleted kind=%s name=%s", kind["kind"], kind["metadata"]["name"])

    def _as_written(self, key: tuple[str, str], wanted: str, found: Object, made: Object) -> bool:
        same = self._written.get(key) == (wanted, found["metadata"].get("generation", 0))
        return same and anchor_of(made) in (None, anchor_of(found))

    def _touched(self, key: tuple[str, str], wanted: str, found: Object) -> bool:
        """Whether it was what is wanted once, and is another generation now."""
        before = self._written.get(key)
        return before is not None and before[0] == wanted and before[1] != found["metadata"].get("generation", 0)
