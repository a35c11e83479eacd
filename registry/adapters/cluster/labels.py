"""Labels in a cluster: ConfigMaps that name a model, taken into the installation's spool and deleted once the journal
has what is in them.

    metadata: {labels: {ml-geometry/labels: shapes}}
    data: {ANY.jsonl: lines of {id, index, label}}
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from registry.adapters.cluster.api import CONFIG_MAPS, Api
from registry.domain.errors import InvalidName
from registry.domain.objects import Object
from registry.domain.state import State
from registry.domain.version import Model, model_name
from registry.store.labels import LabelSpool, spool_name

LABEL = "ml-geometry/labels"

_log = logging.getLogger(__name__)


@dataclass
class LabelMaps:
    """spool: of a model, where the controller's turns find labels."""

    api: Api
    spool: Callable[[Model], LabelSpool]
    _waiting: dict[Model, dict[str, tuple[Object, frozenset[str]]]] = field(default_factory=dict)

    def look(self) -> None:
        """Take in what is new. Raises RegistryError."""
        waiting: dict[Model, dict[str, tuple[Object, frozenset[str]]]] = {}
        for made in self.api.list(CONFIG_MAPS, selector=LABEL):
            metadata = made["metadata"]
            try:
                model = model_name(metadata["labels"][LABEL])
            except InvalidName as error:
                _log.info("labels.ignored configmap=%s reason=%s", metadata["name"], error)
                continue
            known = self._waiting.get(model, {}).get(metadata["uid"])
            waiting.setdefault(model, {})[metadata["uid"]] = known or (made, self._taken_in(model, made))
        self._waiting = waiting

    def tell(self, state: State) -> None:
        """Delete what is recorded. Raises RegistryError."""
        for made, names in list(self._waiting.get(state.model, {}).values()):
            if all(state.has_labels(name) for name in names):
                self.api.delete(CONFIG_MAPS, made["metadata"]["name"], uid=made["metadata"]["uid"])

    def _taken_in(self, model: Model, made: Object) -> frozenset[str]:
        """The names by which the journal will speak of a ConfigMap's parts."""
        spool, parts = self.spool(model), made.get("data") or {}
        return frozenset(spool.place(stem, parts[key].encode()) for key, stem in _stems(made).items())


def spooled(made: Object) -> dict[str, str]:
    """By key of a ConfigMap, the name by which the journal will speak of what is in it."""
    parts = made.get("data") or {}
    return {key: spool_name(stem, parts[key].encode()) for key, stem in _stems(made).items()}


def _stems(made: Object) -> dict[str, str]:
    """Names of files in the spool, unlike any other ConfigMap's."""
    metadata = made["metadata"]
    return {
        key: f"{metadata['name']}-{metadata['uid']}-{number:04d}"
        for number, key in enumerate(sorted(made.get("data") or {}))
    }
