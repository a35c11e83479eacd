"""What a controller in a cluster lets be read: health, metrics, journal, the last view, versions, policy.

    GET /livez  /readyz  /metrics
    GET /models                                   {models: [name]}
    GET /models/M/anchor                          {anchor: SEQUENCE:SHA256 or null}: acted upon last, as it was found
    GET /models/M/journal?after=N                 entries after N, one a line, empty at the end; their reader verifies
    GET /models/M/view                            what the last turn saw
    GET /models/M/versions                        {versions: [name]}: in the store, published or not
    GET /models/M/versions/V/verification         {error: text or null}
    GET /models/M/versions/V/FILE                 manifest.json, manifest.sig, card.json or evaluation.json
    GET /policy
    GET /backup                                   tar of what `geometry backup` writes, proved by its reader

Ask for the anchor before the journal: read after it, a journal that somebody writes to never looks short.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.controller.answering import JSON, LINES, TAR, TEXT, Answer, Query, Route, Routes, line
from registry.controller.exporting import Cards, Exported
from registry.controller.health import Health
from registry.controller.loop import Controller
from registry.domain.card import CARD
from registry.domain.documents import canonical_bytes
from registry.domain.errors import NotFound
from registry.domain.evaluation import EVALUATION
from registry.domain.manifest import MANIFEST, SIGNATURE
from registry.domain.objects import anchor_text
from registry.domain.version import Model, Version, model_name, version_name
from registry.store.backup import contents, journals
from registry.store.candidate import read_candidate
from registry.store.files import read_regular
from registry.store.home import Home
from registry.store.streaming import packed
from registry.store.view import read_view

PAGE = 1 << 20
"""Bytes of entries in one answer, some more when the last one is long."""

LARGEST = 64 << 20
"""Bytes of a file of a version that is read whole."""

MODEL, VERSION = r"/models/(?P<model>[a-z0-9-]{1,40})", r"/versions/(?P<version>[0-9.]{1,12})"
FILES = "|".join(name.replace(".", r"\.") for name in (MANIFEST, SIGNATURE, CARD, EVALUATION))

Parts = Mapping[str, str]


@dataclass(frozen=True)
class Reading:
    """Answers from files alone; the controller's turns are not asked, and not waited for."""

    controller: Controller
    health: Health

    @property
    def home(self) -> Home:
        return self.controller.home

    def monitored(self) -> Routes:
        """Metrics and health alone: on one machine everything else is read from its files."""
        self.health.registry.register(Exported(self.controller, Cards(self.home.versions())))
        return Routes({r"/metrics": self.metrics}, quick={r"/livez": self.live, r"/readyz": self.ready})

    def routes(self) -> Routes:
        monitored = self.monitored()
        answers: Mapping[str, Route] = {
            **monitored.answers,
            r"/models": self.models,
            rf"{MODEL}/anchor": self.anchor,
            rf"{MODEL}/journal": self.journal,
            rf"{MODEL}/view": self.view,
            rf"{MODEL}/versions": self.versions,
            rf"{MODEL}{VERSION}/verification": self.verification,
            rf"{MODEL}{VERSION}/(?P<file>{FILES})": self.file,
            r"/policy": self.policy,
            r"/backup": self.backup,
        }
        return Routes(answers, monitored.quick)

    def live(self, _parts: Parts, _query: Query) -> Answer:
        return _health(self.health.why_dead())

    def ready(self, _parts: Parts, _query: Query) -> Answer:
        return _health(self.health.why_unready())

    def metrics(self, _parts: Parts, _query: Query) -> Answer:
        return Answer(self.health.metrics(), "text/plain; version=0.0.4; charset=utf-8")

    def models(self, _parts: Parts, _query: Query) -> Answer:
        names = {*self.home.versions().models(), *self.home.journals()}
        return _json({"models": sorted(names)})

    def anchor(self, parts: Parts, _query: Query) -> Answer:
        found = self.controller.anchors.get(_model(parts))
        return _json({"anchor": found and anchor_text(found)})

    def journal(self, parts: Parts, query: Query) -> Answer:
        after = query.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) <= 12):
            return line(400, f"after is {after!r}, wanted the sequence of an entry")
        return Answer(self.home.journal_of(_model(parts)).lines(int(after), at_most=PAGE), LINES)

    def view(self, parts: Parts, _query: Query) -> Answer:
        return _json(read_view(self.home, _model(parts)))

    def versions(self, parts: Parts, _query: Query) -> Answer:
        return _json({"versions": list(self.home.versions().versions(_model(parts)))})

    def verification(self, parts: Parts, _query: Query) -> Answer:
        store, model, version = self.home.versions(), _model(parts), _version(parts)
        return _json({"error": read_candidate(store, self.home.trust(), model, version).verification_error})

    def file(self, parts: Parts, _query: Query) -> Answer:
        path = self.home.versions().directory(_model(parts), _version(parts)) / parts["file"]
        if not path.is_file():
            raise NotFound(f"{parts['model']} {parts['version']}: has no {parts['file']}")
        return Answer(read_regular(path, limit=LARGEST), JSON)

    def policy(self, _parts: Parts, _query: Query) -> Answer:
        path = self.home.policy
        return Answer(path.read_bytes() if path.exists() else b"", TEXT)

    def backup(self, _parts: Parts, _query: Query) -> Answer:
        """Anchors first, so that no journal can be behind them."""
        anchors = {model: found for model, found in dict(self.controller.anchors).items() if found is not None}
        files = contents(self.home, journals(self.home), anchors=anchors, now=self.controller.now())
        return Answer(packed(files), TAR)


def _model(parts: Parts) -> Model:
    return model_name(parts["model"])


def _version(parts: Parts) -> Version:
    return version_name(parts["version"])


def _json(document: Mapping[str, object]) -> Answer:
    return Answer(canonical_bytes(document))


def _health(why: str | None) -> Answer:
    return line(200, "ok") if why is None else line(503, why)
