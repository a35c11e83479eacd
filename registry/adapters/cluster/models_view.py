"""The Model object: a view of one journal for `kubectl get models`. Editing it changes nothing; it is written again."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from registry.adapters.cluster.api import MODELS, Api
from registry.adapters.cluster.events import Events
from registry.domain.drift_record import ALARM, remedy
from registry.domain.errors import Conflict, NotFound
from registry.domain.inbox import Told
from registry.domain.journal import Entry, Kind
from registry.domain.objects import Object
from registry.domain.statuses import model_status
from registry.domain.summary import summary
from registry.domain.version import Model

AGAIN = timedelta(seconds=60)
"""After which a view is written although nothing changed: somebody may have edited or deleted it."""


@dataclass
class ModelViews:
    """One object for each model of a namespace. events: where drift is told."""

    api: Api
    events: Events
    _heard: dict[Model, int] = field(default_factory=dict)
    _written: dict[Model, tuple[Mapping[str, Any], datetime]] = field(default_factory=dict)

    def tell(self, told: Told) -> None:
        """Make the object say what is known, and tell on it of drift. Raises RegistryError."""
        model, drifts = told.state.model, self._drifts(told)
        status = model_status(told.state, told.entries, told.observation, told.anchor, told.drift)
        before, when = self._written.get(model, ({}, None))
        if when is not None and before == status and told.now - when < AGAIN and not drifts:
            return
        try:
            about = self._write(model, status)
        except NotFound:
            made = {"apiVersion": MODELS.group, "kind": "Model", "metadata": {"name": model}}
            with suppress(Conflict):  # there meanwhile
                self.api.create(MODELS, made)
            about = self._write(model, status)
        self._written[model] = (status, told.now)
        self._heard[model] = told.state.head.sequence
        for entry in drifts:
            self.events.warn(about, "Drift", f"{summary(entry)}; {remedy(model)}")

    def _drifts(self, told: Told) -> list[Entry]:
        """Alarms that were recorded since this process told last; those of an earlier one are told."""
        heard = self._heard.setdefault(told.state.model, told.state.head.sequence)
        new = told.entries[heard:]
        return [entry for entry in new if entry.kind is Kind.DRIFT and entry.data.get("what") == ALARM]

    def _write(self, model: Model, status: Mapping[str, Any]) -> Object:
        """All fields that a view may have, so that what does not apply any more goes away."""
        whole = {**dict.fromkeys(("production", "canary", "staging", "drift", "decision", "anchor")), **status}
        for name in ("production", "canary", "staging"):
            if whole[name] is not None:
                whole[name] = {**dict.fromkeys(("weight", "ready")), **whole[name]}
        return self.api.patch(MODELS, model, {"status": whole}, part="status")
