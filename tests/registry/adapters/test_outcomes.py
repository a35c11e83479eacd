"""Answers read from what a real predictor tells about them."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from predictor.outcomes import Outcomes
from predictor.query import Predictions
from registry.adapters.outcomes import CAPACITY, OutcomeReader
from registry.domain.answers import Answers, Key
from registry.domain.state import LABELS_KEPT
from registry.domain.version import DEFAULT_MODEL, Version

ONE = Version("1")


class Revision:
    """`/outcomes` of a predictor, and what it answers instead while `nonsense` is set."""

    def __init__(self) -> None:
        self.nonsense: bytes | None = None
        self.again()

    def again(self) -> None:
        """A process that was just started."""
        self.outcomes = Outcomes(("circle", "star"), rings=2)

    def answer(self, *ids: str, winners: tuple[int, ...] = (0,), traffic: str = "live") -> None:
        for id in ids:
            said = Predictions(list(winners), [0.5] * len(winners), [], np.empty(0, np.float32))
            self.outcomes.add(traffic, said, id, time.time())  # type: ignore[arg-type]

    def page(self, path: str) -> bytes:
        after = parse_qs(urlsplit(path).query).get("after", [None])[-1]
        return self.nonsense or json.dumps(self.outcomes.read(after, time.time())).encode()


@pytest.fixture
def revision() -> Iterator[Revision]:
    made = Revision()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = made.page(self.path)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        made.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield made
        server.shutdown()


def read(reader: OutcomeReader, revision: Revision) -> Answers:
    return reader.answers(DEFAULT_MODEL, {ONE: revision.url})[ONE]  # type: ignore[attr-defined]


def test_what_was_answered_before_is_known_and_only_what_comes_then_is_new(revision: Revision) -> None:
    reader = OutcomeReader()
    revision.answer("a", winners=(0, 1))
    assert read(reader, revision) == Answers({Key("a", 0): "circle", Key("a", 1): "star"})
    revision.answer("b")
    assert read(reader, revision).new == (Key("b", 0),)
    assert read(reader, revision).new == ()


def test_more_than_a_page_is_read_at_once_and_none_of_it_is_new_to_who_was_just_started(revision: Revision) -> None:
    revision.answer(*map(str, range(2500)))
    found = read(OutcomeReader(), revision)
    assert (len(found.known), found.new) == (2500, ())


def test_an_id_that_comes_again_says_nothing_any_more(revision: Revision) -> None:
    reader = OutcomeReader()
    read(reader, revision)
    revision.answer("a")
    assert read(reader, revision).known == {Key("a", 0): "circle"}
    revision.answer("a", winners=(1,))
    assert read(reader, revision) == Answers({Key("a", 0): None})


def test_pinned_answers_are_nobodys_evidence(revision: Revision) -> None:
    revision.answer("a", traffic="pinned")
    assert read(OutcomeReader(), revision).known == {}


def test_a_revision_that_was_started_again_is_read_from_its_start(revision: Revision) -> None:
    reader = OutcomeReader()
    revision.answer("a")
    read(reader, revision)
    revision.again()
    revision.answer("b")
    assert read(reader, revision) == Answers({Key("a", 0): "circle", Key("b", 0): "circle"})
    revision.answer("c")
    assert read(reader, revision).new == (Key("c", 0),)


@pytest.mark.parametrize(
    "nonsense", [b"no JSON", b"{}", b'{"cursor": "x", "lost": 0, "outcomes": [{"id": "a"}]}', b"[]"]
)
def test_nonsense_leaves_what_is_known_and_is_read_later(revision: Revision, nonsense: bytes) -> None:
    reader = OutcomeReader()
    revision.answer("a")
    read(reader, revision)
    revision.answer("b")
    revision.nonsense = nonsense
    assert read(reader, revision) == Answers({Key("a", 0): "circle"})
    revision.nonsense = None
    assert read(reader, revision).new == (Key("b", 0),)


def test_nobody_at_the_address_has_said_nothing() -> None:
    assert OutcomeReader().answers(DEFAULT_MODEL, {ONE: "http://127.0.0.1:1"}) == {ONE: Answers()}


def test_a_revision_without_an_address_is_remembered_and_one_that_is_gone_forgotten(revision: Revision) -> None:
    reader = OutcomeReader()
    revision.answer("a")
    read(reader, revision)
    assert reader.answers(DEFAULT_MODEL, {ONE: None}) == {ONE: Answers({Key("a", 0): "circle"})}
    assert reader.answers(DEFAULT_MODEL, {}) == {}
    assert read(reader, revision).new == ()


def test_the_oldest_answers_go_first(revision: Revision) -> None:
    reader = OutcomeReader(capacity=3)
    revision.answer("a", "b", "c", "d")
    read(reader, revision)
    revision.answer("e")
    assert [key.id for key in read(reader, revision).known] == ["c", "d", "e"]


def test_more_labels_are_remembered_than_answers_of_canary_and_stable_are_known() -> None:
    assert LABELS_KEPT >= 2 * CAPACITY
