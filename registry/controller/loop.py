"""The controller: observe → decide → record → act, once a second for every model. Only the controller acts.

It may be killed at any instruction: what it knows is in the journal, what it did is on the substrate, and the next one
goes on from both.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from registry.adapters.latency import LatencyProbe
from registry.adapters.monitoring import Target, scrape
from registry.adapters.outcomes import OutcomeReader
from registry.controller.backups import Backups
from registry.controller.drifting import Drifting
from registry.controller.labelling import heard, next_labels
from registry.controller.measuring import staging_latency
from registry.controller.ports import Inbox, Outcomes, Probe, Projection, Scrape, Substrate
from registry.controller.samples import Known
from registry.controller.watched import Watched
from registry.domain.checklist import Candidate
from registry.domain.decision import decide
from registry.domain.errors import Conflict, InvalidDocument, JournalDamaged, RegistryError
from registry.domain.inbox import Told
from registry.domain.journal import NO_ANCHOR, Anchor, Draft, Entry, adoption, check_anchor
from registry.domain.observation import Counters, Observation
from registry.domain.release import Release
from registry.domain.state import State, release
from registry.domain.traffic import Readings
from registry.domain.turn import Decision, Turn
from registry.domain.version import Model, Version
from registry.store.candidate import read_candidate
from registry.store.home import Home
from registry.store.policy import load_policy
from registry.store.view import write_view

LOOK = 5
"""While nothing is judged, revisions are scraped every so many turns: only people look at their numbers then."""

SCRAPE = 1.5
"""Seconds all scrapes of a turn may take together."""

_log = logging.getLogger(__name__)


def clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass
class Controller:
    """Turns over all models of an installation.

    may_act: asked before anything is recorded or written. anchors: of each model, as it was found last. known: what is
    known of each since its last turn; replaced and never changed, for whoever reads beside the turns. conflicts: turns
    of a model that another write overtook.
    """

    home: Home
    substrate: Substrate
    projector: Projection | None = None
    backups: Backups | None = None
    inbox: Inbox | None = None
    probe: Probe = field(default_factory=LatencyProbe)
    outcomes: Outcomes = field(default_factory=OutcomeReader)
    now: Callable[[], datetime] = clock
    scrape: Scrape = scrape
    may_act: Callable[[], bool] = lambda: True
    anchors: dict[Model, Anchor | None] = field(default_factory=dict)
    known: Mapping[Model, Known] = field(default_factory=dict)
    conflicts: int = 0
    _watched: dict[Model, Watched] = field(default_factory=dict)
    _deaf: str | None = None

    def turn(self) -> bool:
        """One turn of every model; True when something was recorded, so that another one is due at once."""
        self._ask(lambda inbox: inbox.look())
        for model in self._models():
            if model not in self._watched:
                self._watched[model] = Watched(self.home.journal_of(model), State(model), Drifting(self.home))
        recorded = False
        releases: list[Release] = []
        for watched in self._watched.values():
            try:
                recorded |= self._turn(watched)
                releases.append(release(watched.state))
            except Conflict:
                recorded = True  # somebody filed a request meanwhile: decide again
                self.conflicts += 1
            except (RegistryError, OSError) as error:
                self._complain(watched, str(error), damaged=isinstance(error, JournalDamaged))
        self.known = {model: watched.known for model, watched in self._watched.items()}
        if not self.may_act():
            return False
        self.substrate.apply(releases, self.now())
        self._ask(lambda inbox: inbox.decline(self._watched.keys()))
        self._back_up()
        return recorded

    def _back_up(self) -> None:
        """Not before every model's anchor was found: no journal may be behind it."""
        if self.backups is None or not self._watched.keys() <= self.anchors.keys():
            return
        with suppress(InvalidDocument):  # every model's turn has said it
            self.backups.step(load_policy(self.home.policy).backup, self.now(), self.anchors)

    def _ask(self, what: Callable[[Inbox], None]) -> None:
        """Look at, or answer, what is asked elsewhere. What fails is said once and waits; what goes on goes on."""
        if self.inbox is None:
            return
        try:
            what(self.inbox)
        except RegistryError as error:
            if self._deaf != str(error):
                _log.error("inbox.problem reason=%s", error)
            self._deaf = str(error)
        else:
            self._deaf = None

    def _models(self) -> tuple[Model, ...]:
        return tuple(sorted({*self.home.versions().models(), *self.home.journals()}))

    def _turn(self, watched: Watched) -> bool:
        model, now = watched.state.model, self.now()
        # Before the journal: whoever acts meanwhile makes no journal look short, and what follows from it here is late.
        anchor = self.substrate.anchor(model)
        self.anchors[model] = anchor
        entries = self._take(watched, now, adopting=True)
        for acted_upon in filter(None, (anchor, watched.head)):
            self._check_anchor(watched, entries, acted_upon, now)
        entries = self._take(watched, now)
        watched.head = watched.state.head
        turn = self._observe(watched, now)
        decision, drift = decide(turn), watched.drift.look(turn)
        decision = replace(decision, drafts=(*decision.drafts, *drift.drafts))
        self._record(watched, decision, entries, now)
        watched.drift.keep(watched.state, drift)
        if turn.labels is not None and watched.state.has_labels(turn.labels.name):
            self.home.labels_of(model).remove(turn.labels)
        self._prune(watched)
        self._show(watched, turn, decision, anchor)
        return bool(decision.drafts)

    def _take(self, watched: Watched, now: datetime, *, adopting: bool = False) -> Sequence[Entry]:
        """All entries, with those that take what is asked elsewhere. adopting: only what asks to adopt the journal."""
        entries = watched.read(self.home.journal_of(watched.state.model))
        drafts = self.inbox.drafts(watched.state.model, watched.ledger, adopting=adopting) if self.inbox else ()
        if not drafts:
            return entries
        self._append(watched, drafts, entries, now)
        return watched.read(watched.journal)

    def _observe(self, watched: Watched, now: datetime) -> Turn:
        """Everything this turn decides on."""
        state = watched.state
        revisions, route = self.substrate.observe(state.model, now)
        policy, candidates = load_policy(self.home.policy), self._candidates(state)
        # Before the answers: who labelled one has got it.
        labels = next_labels(self.home.labels_of(state.model))
        mirrors = state.rollout is not None and state.rollout.plan.mirrors
        listens = mirrors or labels is not None or not watched.turns % LOOK
        observation = Observation(
            revisions=revisions,
            route=route,
            counters=self._counters(watched, now),
            latency=staging_latency(state, policy, candidates, substrate=self.substrate, probe=self.probe),
            answers=heard(state, self.substrate, self.outcomes) if listens else {},
        )
        return Turn(
            state=state,
            observation=observation,
            now=now,
            policy=policy,
            memory=watched.memory,
            found=self._found(watched),
            candidates=candidates,
            labels=labels,
        )

    def _check_anchor(self, watched: Watched, entries: Sequence[Entry], anchor: Anchor, now: datetime) -> None:
        """Raise JournalDamaged for a journal that is not the one acted upon, unless somebody asked to adopt it."""
        try:
            check_anchor(entries, anchor)
        except JournalDamaged:
            asked = [request for request in watched.state.requests if request.action == "adopt"]
            if not asked:
                raise
            draft = adoption(entries, anchor, request=asked[0].id, by=asked[0].by, reason=asked[0].reason)
            watched.journal.append([draft], head=entries[-1], now=now)
            watched.head = NO_ANCHOR
            raise Conflict("the journal was adopted; this turn saw what was before") from None

    def _counters(self, watched: Watched, now: datetime) -> Mapping[Version, Counters]:
        """Counters of all revisions; who did not answer is not in it."""
        state, endpoints = watched.state, self.substrate.endpoints(watched.state.model)
        judged = state.guarding is not None or (state.rollout is not None and state.rollout.step >= 0)
        watched.turns += 1
        if not judged and watched.turns % LOOK:
            return {}
        live = {revision.version for revision in release(state).live}
        targets = [
            Target(state.model, version, f"{found.url}/metrics")
            for version, found in endpoints.items()
            if version in live
        ]
        if not targets:
            return {}
        counters, reasons = self.scrape(targets, self.substrate.proxy_url, timeout=SCRAPE)
        if state.counted and state.counted <= counters.keys():
            watched.counted = now
        for version, reason in reasons.items() if judged else ():
            _log.info("scrape.missing model=%s version=%s reason=%s", state.model, version, reason)
        kept = {version: found for version, found in watched.readings.items() if version in live}
        added = {version: kept.get(version, Readings()).add(now, found) for version, found in counters.items()}
        watched.readings = {**kept, **added}
        return counters

    def _found(self, watched: Watched) -> Mapping[Version, str]:
        """Versions in the store that the journal does not know and that verify, oldest first."""
        model, store = watched.state.model, self.home.versions()
        new = [version for version in store.versions(model) if version not in watched.state.versions]
        if not new:
            return {}
        trust, found = self.home.trust(), []
        for version in new:
            changed = store.directory(model, version).stat().st_mtime_ns
            if watched.refused.get(version, (0, ""))[0] == changed:
                continue
            try:
                verified = store.verify(model, version, trust)
                found.append((verified.manifest.created, version, verified.digest))
            except RegistryError as error:
                watched.refused[version] = (changed, str(error))
                _log.error("version.refused model=%s version=%s reason=%s", model, version, error)
        return {version: digest for _, version, digest in sorted(found)}

    def _candidates(self, state: State) -> Mapping[Version, Candidate]:
        """What the checklist reads, when a request waits for it."""
        if not state.requests:
            return {}
        asked = {request.version for request in state.requests if request.starts}
        asked |= {state.production, state.previous} if asked else set()
        store, trust = self.home.versions(), self.home.trust()
        return {
            version: read_candidate(store, trust, state.model, version)
            for version in asked
            if version is not None and version in state.versions
        }

    def _record(self, watched: Watched, decision: Decision, entries: Sequence[Entry], now: datetime) -> None:
        """Append what was decided. On Conflict nothing of this turn is remembered, so that it is decided again."""
        if decision.drafts:
            self._append(watched, decision.drafts, entries, now)
            watched.read(watched.journal)
        watched.memory = decision.memory

    def _append(self, watched: Watched, drafts: Sequence[Draft], entries: Sequence[Entry], now: datetime) -> None:
        if not self.may_act():
            raise Conflict("another controller acts now")
        for entry in watched.journal.append(drafts, head=entries[-1] if entries else None, now=now):
            _log.info("journal.%s model=%s %s", entry.kind, watched.state.model, _line(entry))

    def _prune(self, watched: Watched) -> None:
        """Take the files of deleted versions out of the store. A failure is told once and tried again."""
        model = watched.state.model
        for version, found in watched.state.versions.items():
            if not found.deleted or version in watched.pruned:
                continue
            try:
                if self.home.versions().strip(model, version):
                    _log.info("version.pruned model=%s version=%s", model, version)
                watched.pruned.add(version)
            except OSError as error:
                if watched.unpruned.get(version) != str(error):
                    watched.unpruned[version] = str(error)
                    _log.error("version.not_pruned model=%s version=%s reason=%s", model, version, error)

    def _show(self, watched: Watched, turn: Turn, decision: Decision, anchor: Anchor | None) -> None:
        """Tell people and MLflow what was seen and recorded. Acting on it never waits for who cannot be told."""
        counted = {version: readings.traffic() for version, readings in watched.readings.items()}
        traffic = {version: found for version, found in counted.items() if found is not None}
        try:
            seen, drift = turn.observation, watched.drift.looked.report
            write_view(self.home, watched.state, seen, decision.verdict, now=turn.now, traffic=traffic, drift=drift)
            if self.projector is not None:
                self.projector.project(watched.state, turn.now)
            watched.told = told = Told(
                watched.state, watched.journal.read(), watched.ledger, seen, anchor, turn.now, decision.memory, drift
            )
            self._ask(lambda inbox: inbox.tell(told))
        except OSError as error:
            self._complain(watched, str(error))
        else:
            watched.problem, watched.damaged = None, False

    def _complain(self, watched: Watched, problem: str, *, damaged: bool = False) -> None:
        """Say once what keeps a model from being acted upon, or from being told about. damaged: that is its journal."""
        watched.damaged = damaged
        if watched.problem != problem:
            watched.problem = problem
            _log.error("model.problem model=%s reason=%s", watched.state.model, problem)
            with suppress(OSError):  # perhaps the very problem; what serves is supervised all the same
                write_view(self.home, watched.state, Observation(), None, now=self.now(), problem=problem)


def _line(entry: Entry | Draft) -> str:
    """The fields of an entry that fit a line."""
    shown = {key: value for key, value in entry.data.items() if isinstance(value, str | int) and value != ""}
    return " ".join(f"{key}={value!r}" for key, value in shown.items())
