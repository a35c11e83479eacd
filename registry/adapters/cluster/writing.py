"""Writes objects of a release, each against the resource version it was seen at, and notices hands of others.

Nothing is written that is as it was written last: an object is written again when something else is wanted of it, or
when its generation says that somebody changed it since.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from registry.adapters.cluster.api import HTTP_ROUTES, Api, resource_of
from registry.adapters.cluster.routing import anchor_of
from registry.domain.documents import canonical_bytes, sha256
from registry.domain.errors import Conflict, NotFound, Refused
from registry.domain.objects import Object
from registry.domain.version import Model

PART_OF, OURS = "app.kubernetes.io/part-of", "ml-geometry"

_log = logging.getLogger(__name__)

Mark = tuple[str, int, str | None]


def mark(route: Object | None) -> Mark | None:
    """What changes of a live route with every write of a controller, and with nothing that a gateway writes."""
    if route is None:
        return None
    metadata = route["metadata"]
    return str(metadata.get("uid")), int(metadata.get("generation", 0)), anchor_of(route)


@dataclass
class Fence:
    """The live route of a model as a turn saw it. Who sees another one just before a write is late, and writes nothing.

    The resource version of each object guards that object alone; this guards an object that did not change against who
    decided before the route did.
    """

    api: Api
    model: Model
    seen: Mark | None

    def check(self) -> None:
        """Raise Conflict when the route is another one now."""
        try:
            found = mark(self.api.get(HTTP_ROUTES, self.model))
        except NotFound:
            found = None
        if found != self.seen:
            raise Conflict(f"{self.model}: somebody else wrote the route since this turn looked at it")

    def passed(self, route: Object) -> None:
        """The route is as this turn wrote it."""
        self.seen = mark(route)


@dataclass
class Writer:
    """told: hears, of an object, a reason and a note for people: that it was put right after somebody changed it, or
    that somebody's fields stay in it."""

    api: Api
    told: Callable[[Object, str, str], None]
    _written: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def put(self, made: Object, seen: Mapping[str, Object], fence: Fence, *, shared: bool = False) -> bool:
        """Make the object of this name so; says whether something was written.

        shared: git writes it too, so that its hand is nothing to tell. Raises Conflict when it was changed since it was
        seen, and Refused for one that somebody else made.
        """
        key, wanted = (made["kind"], made["metadata"]["name"]), sha256(canonical_bytes(made))
        found = seen.get(key[1])
        if found is not None:
            _check_ours(found)
            if self._as_written(key, wanted, found, made):
                return False
        fence.check()
        version = found["metadata"]["resourceVersion"] if found is not None else None
        before = self._written.pop(key, None)  # whoever gets no answer does not know whether it is written
        answer = self.api.apply(resource_of(made), made, version=version)
        if (
            found is not None
            and before is not None
            and not shared
            and before[1] != found["metadata"].get("generation", 0)
        ):
            self._tell(answer, found)
        if resource_of(made) is HTTP_ROUTES and key[1] == fence.model:
            fence.passed(answer)
        generation = answer["metadata"].get("generation", 0)
        if found is None or generation != found["metadata"].get("generation", 0):
            _log.info("object.written kind=%s name=%s generation=%s", *key, generation)
        self._written[key] = (wanted, generation)
        return True

    def remove(self, found: Object, fence: Fence) -> None:
        """Delete this very object."""
        fence.check()
        name, uid = found["metadata"]["name"], found["metadata"]["uid"]
        self.api.delete(resource_of(found), name, uid=uid)
        self._written.pop((found["kind"], name), None)
        _log.info("object.deleted kind=%s name=%s", found["kind"], name)

    def _as_written(self, key: tuple[str, str], wanted: str, found: Object, made: Object) -> bool:
        same = self._written.get(key) == (wanted, found["metadata"].get("generation", 0))
        return same and anchor_of(made) in (None, anchor_of(found))

    def _tell(self, answer: Object, found: Object) -> None:
        repaired = answer.get("spec") != found.get("spec")
        _log.warning("object.touched kind=%s name=%s repaired=%s", found["kind"], found["metadata"]["name"], repaired)
        if repaired:
            self.told(answer, "Repaired", "was changed by hand; it follows from the journal again")
        else:
            self.told(
                answer, "Foreign", "was changed by hand; what the registry does not write itself was left as it is"
            )


def is_ours(found: Object) -> bool:
    """Whether an object is one that the registry makes."""
    return (found["metadata"].get("labels") or {}).get(PART_OF) == OURS


def _check_ours(found: Object) -> None:
    if not is_ours(found):
        kind, name = found["kind"], found["metadata"]["name"]
        raise Refused(
            f"{kind} {name} is there and lacks the label {PART_OF}={OURS}, so somebody else made it; "
            f"delete it, or install in another namespace"
        )
