"""Drift in the controller's turns: what one more reading says of it, kept once the turn is recorded."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.domain.drift import look
from registry.domain.drift_record import ALARM, remedy
from registry.domain.drift_report import report
from registry.domain.drift_watch import Subject, Watch, known_of, subject_of
from registry.domain.journal import Draft
from registry.domain.policy import DriftPolicy
from registry.domain.state import State
from registry.domain.turn import Turn
from registry.domain.version import Version
from registry.store.candidate import read_recorded_card
from registry.store.drift import read_drift, write_drift
from registry.store.home import Home

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Looked:
    """What a turn found. watch: None where nothing could be watched; report: for people, None there."""

    watch: Watch | None = None
    drafts: tuple[Draft, ...] = ()
    report: Mapping[str, Any] | None = None


@dataclass
class Drifting:
    """The watch of one model; all of it follows from journal, counters and its file, and may be lost."""

    home: Home
    watch: Watch | None = None
    looked: Looked = field(default_factory=Looked)
    _subject: Subject | None = None
    _problem: str | None = None
    _failed: str | None = None

    def look(self, turn: Turn) -> Looked:
        """The version in production after the turn's reading; without one, as it was. What fails is said once, and
        keeps nobody from deciding."""
        try:
            looked = self._look(turn)
        except Exception as error:
            if self._failed != str(error):
                _log.exception("drift.failed model=%s", turn.state.model)
            self._failed = str(error)
            return Looked(self.watch)
        self._failed = None
        return looked

    def _look(self, turn: Turn) -> Looked:
        state = turn.state
        subject = self._watched(state)
        if subject is None:
            return Looked(self.watch)
        watch = self.watch if self.watch is not None else known_of(state, read_drift(self.home, state.model))
        counters = turn.observation.counters.get(subject.version)
        if counters is None or not counters.processes:
            return Looked(watch, report=_report(watch, subject, turn.policy.drift))
        watch, findings = look(watch, subject, counters.processes, turn.now, turn.policy.drift)
        return Looked(watch, tuple(found.draft for found in findings), _report(watch, subject, turn.policy.drift))

    def keep(self, state: State, looked: Looked) -> None:
        """Go on from what was recorded. The file is written when a tick closed or a process came, not at each reading:
        counters are cumulative, so that a controller that starts reads what came since from them."""
        before, self.watch, self.looked = self.watch, looked.watch, looked
        for draft in looked.drafts:
            if draft.data["what"] == ALARM:
                _log.warning("drift.alarm model=%s signal=%s do=%r", state.model, draft.data["signal"],
                             remedy(state.model))  # fmt: skip
        if looked.watch is None or (before is not None and _mark(before) == _mark(looked.watch)):
            return
        try:
            write_drift(self.home, state.model, looked.watch)
        except OSError as error:
            if self._problem != str(error):
                _log.error("drift.not_written model=%s reason=%s", state.model, error)
            self._problem = str(error)
        else:
            self._problem = None

    def _watched(self, state: State) -> Subject | None:
        """What serves now; None without a production version, or where its card is gone."""
        if state.production is None:
            return None
        version, digest = state.production, state.version(state.production).digest
        if self._subject is None or (self._subject.version, self._subject.digest) != (version, digest):
            card = read_recorded_card(self.home.versions(), state.model, version, digest=digest)
            self._subject = subject_of(card, digest) if card is not None else None
        return self._subject


def _mark(watch: Watch) -> tuple[Version | None, int, frozenset[str]]:
    return watch.version, watch.ticks, frozenset(watch.read)


def _report(watch: Watch, subject: Subject, policy: DriftPolicy) -> Mapping[str, Any] | None:
    """None before the first reading of this version."""
    if (watch.version, watch.digest) != (subject.version, subject.digest):
        return None
    return report(watch, subject, policy)
