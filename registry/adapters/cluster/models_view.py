"""The Model object: a view of one journal for `kubectl get models`. Editing it changes nothing; it is written again."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from registry.adapters.cluster.api import MODELS, Api
from registry.domain.errors import Conflict, NotFound
from registry.domain.inbox import Told
from registry.domain.statuses import model_status
from registry.domain.version import Model

AGAIN = timedelta(seconds=60)
"""After which a view is written although nothing changed: somebody may have edited or deleted it."""


@dataclass
class ModelViews:
    """One object for each model of a namespace."""

    api: Api
    _written: dict[Model, tuple[Mapping[str, Any], datetime]] = field(default_factory=dict)

    def tell(self, told: Told) -> None:
        """Make the object say what is known. Raises RegistryError."""
        model, status = told.state.model, model_status(told.state, told.entries, told.observation, told.anchor)
        before, when = self._written.get(model, ({}, None))
        if when is not None and before == status and told.now - when < AGAIN:
            return
        try:
            self._write(model, status)
        except NotFound:
            made = {"apiVersion": MODELS.group, "kind": "Model", "metadata": {"name": model}}
            with suppress(Conflict):  # there meanwhile
                self.api.create(MODELS, made)
            self._write(model, status)
        self._written[model] = (status, told.now)

    def _write(self, model: Model, status: Mapping[str, Any]) -> None:
        """All fields that a view may have, so that what does not apply any more goes away."""
        whole = {**dict.fromkeys(("production", "canary", "staging", "decision", "anchor")), **status}
        for name in ("production", "canary", "staging"):
            if whole[name] is not None:
                whole[name] = {**dict.fromkeys(("weight", "ready")), **whole[name]}
        self.api.patch(MODELS, model, {"status": whole}, part="status")
