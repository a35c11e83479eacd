"""The read-only side of a controller: what it answers, and that nonsense gets one line."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from registry.controller.answering import HEAD, Answer, Routes, Server
from registry.controller.health import Health
from registry.controller.routes import Reading
from registry.domain.journal import parse_entry


@pytest.fixture
def health() -> Health:
    made = Health(lambda: True)
    made.turned(fine=True)
    return made


@pytest.fixture
def port(fake, namespace, health) -> Iterator[int]:
    server = Server(Reading(namespace.controller, health).routes(), host="127.0.0.1", port=0)
    server.start()
    yield server.port
    server.stop()


def get(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(port: int, content: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def test_journal_lines_are_the_entries_after_the_one_that_is_named(port, namespace):
    status, content = get(port, "/models/shapes/journal?after=1")
    assert status == 200
    assert [parse_entry(line, name="").anchor for line in content.splitlines(keepends=True)] == [
        entry.anchor for entry in namespace.entries()[1:]
    ]
    assert get(port, "/models/shapes/journal?after=2") == (200, b"")


def test_models_versions_view_anchor_and_policy_are_read(port, namespace):
    assert json.loads(get(port, "/models")[1]) == {"models": ["shapes"]}
    assert json.loads(get(port, "/models/shapes/versions")[1]) == {"versions": ["1", "2"]}
    assert json.loads(get(port, "/models/shapes/view")[1])["sequence"] == 2
    assert "anchor" in json.loads(get(port, "/models/shapes/anchor")[1])
    assert get(port, "/policy") == (200, namespace.home.policy.read_bytes())
    assert json.loads(get(port, "/models/shapes/versions/1/verification")[1]) == {"error": None}


def test_it_is_ready_once_a_turn_ended_and_alive_before(namespace):
    young = Health(lambda: True)
    assert young.why_dead() is None
    assert young.why_unready() == "the first turn goes on"
    young.turned(fine=False)
    assert young.why_unready() is None


def test_it_is_not_ready_without_the_lease():
    assert Health(lambda: False).why_unready() == "another controller holds the Lease"


@pytest.mark.parametrize("last", [None, True, False])
def test_it_is_dead_when_a_turn_does_not_end_be_it_the_first(last):
    times = [0.0]
    stuck = Health(lambda: True, clock=lambda: times[0])
    assert stuck.goes_on(last)
    times[0] = 300.0
    assert stuck.why_dead() is None
    times[0] = 301.0
    assert stuck.why_dead() == "no turn ended for 301 s, wanted one every 300 s"


def test_it_is_alive_as_long_as_it_waits_for_the_lease():
    times = [0.0]
    waiting = Health(lambda: False, clock=lambda: times[0])
    times[0] = 1000.0
    assert waiting.why_dead() is None


def test_probes_and_metrics_answer(port):
    assert get(port, "/livez") == (200, b"ok\n")
    assert get(port, "/readyz") == (200, b"ok\n")
    assert b'ml_geometry_controller_turns_total{result="ok"} 1.0' in get(port, "/metrics")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/models/",
        "/models/shapes",
        "/models/shapes/journal/",
        "/models/../journal",
        "/models/shapes/versions/1/model.tflite",
        "/models/shapes/versions/1/../../../../keys/signing.key",
        "/models/shapes/versions/../card.json",
        "/models/shapes/versions/%2e%2e/card.json",
        "/models/shapes%2f..%2f..%2fkeys/view",
        "//etc/passwd",
        "/models/-/view",
        "/models/shapes/versions/9/card.json",
    ],
)
def test_a_path_that_is_not_there_is_one_line_of_404_or_400(port, path):
    status, content = get(port, path)
    assert status in (400, 404)
    assert content.count(b"\n") == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_nothing_is_written(port, method):
    assert get(port, "/models", method)[0] == 405


@pytest.mark.parametrize("after", ["-1", "x", "1e3", "٣", "9" * 40, ""])
def test_a_cursor_that_is_no_number_is_refused(port, after):
    assert raw(port, f"GET /models/shapes/journal?after={after} HTTP/1.1\r\n\r\n".encode())[9:12] == b"400"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b"400"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"GET /livez\r\n\r\n", b"400"),
        (b"GET /livez HTTP/9.9\r\n\r\n", b"400"),
        (b"get /livez HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://x/livez HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /li\x00vez HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /" + b"a" * HEAD + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET /livez HTTP/1.1\r\n" + b"x: y\r\n" * HEAD, b"431"),
        (b"GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz", b"200"),
        (b"GET /models?a=1&a=2&&& HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /models?" + b"&".join(b"a%d=1" % n for n in range(99)) + b" HTTP/1.1\r\n\r\n", b"400"),
    ],
)
def test_nonsense_gets_a_status_and_one_line(port, sent, status):
    answered = raw(port, sent)
    assert answered[9:12] == status
    assert answered.partition(b"\r\n\r\n")[2].count(b"\n") == 1
    assert get(port, "/livez")[0] == 200


def test_who_sends_nothing_is_hung_up_on_and_probes_go_on(port, monkeypatch):
    monkeypatch.setattr("registry.controller.answering.PATIENCE", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as idle:
        assert get(port, "/livez")[0] == 200
        assert idle.recv(64)[9:12] == b"408"


def test_probes_are_answered_while_too_many_ask(port, monkeypatch):
    monkeypatch.setattr("registry.controller.answering.AT_ONCE", 0)
    assert get(port, "/models")[0] == 503
    assert (get(port, "/livez")[0], get(port, "/readyz")[0]) == (200, 200)


def test_a_journal_that_cannot_be_read_is_a_503_that_says_so(port, namespace, monkeypatch):
    def broken(*_: object, **__: object) -> bytes:
        raise OSError("the volume is gone")

    monkeypatch.setattr("registry.store.journal.JournalStore.lines", broken)
    assert get(port, "/models/shapes/journal") == (503, b"the volume is gone\n")


def test_an_answer_that_breaks_off_is_not_taken_for_whole():
    def parts() -> Iterator[bytes]:
        yield b"first"
        raise OSError("disk")

    server = Server(Routes({"/x": lambda *_: Answer(parts())}), host="127.0.0.1", port=0)
    server.start()
    with pytest.raises(http.client.IncompleteRead):
        get(server.port, "/x")
    server.stop()


def test_on_one_machine_only_metrics_and_health_are_served(namespace, health):
    server = Server(Reading(namespace.controller, health).monitored(), host="127.0.0.1", port=0)
    server.start()
    assert [get(server.port, path)[0] for path in ("/metrics", "/livez", "/readyz")] == [200, 200, 200]
    assert {get(server.port, path)[0] for path in ("/models", "/backup", "/policy", "/models/shapes/journal")} == {404}
    server.stop()


def test_metrics_say_phase_weights_and_verdict_of_what_is_in_progress(served, health):
    server = Server(Reading(served.controller, health).routes(), host="127.0.0.1", port=0)
    server.start()
    name = served.promote("2")
    served.until(lambda: served.status(name).get("verdict"))
    text = get(server.port, "/metrics")[1].decode()
    server.stop()
    assert 'ml_geometry_rollout_phase{model="shapes",phase="Progressing"} 1.0' in text
    assert 'ml_geometry_rollout_phase{model="shapes",phase="Expired"} 0.0' in text
    assert 'ml_geometry_rollout_weight{model="shapes",version="2"}' in text
    assert text.count("ml_geometry_rollout_verdict{") == 4
