"""What `geometry status` prints of a canary: as JSON for programs, as lines, and as a picture on a terminal."""

import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from registry.cli.evidence import BAR, Gauge, evidence
from registry.cli.live import picture
from registry.cli.status import document, print_status
from registry.domain.traffic import Readings
from registry.store.home import Home
from registry.store.view import read_view, write_view
from tests.fixtures.versions import publish_tiny
from tests.registry.domain.builders import MODEL, promoted, soaking, traffic
from tests.registry.domain.mirroring import AGREEING, answer, mirrored

GEOMETRY = str(Path(sys.executable).with_name("geometry"))
GOLDEN = Path(__file__).with_name("status.json")


def seen(place, root):
    """The document of an installation after a turn with a hundred answers, a tenth of them the canary's."""
    before = place.observation().counters
    traffic(place, 100)
    verdict = place.turn().verdict
    shown = {
        version: Readings()
        .add(place.now - timedelta(seconds=1), replace(before[version], confidence=0.0))
        .add(place.now, replace(found, confidence=0.91 * found.images))
        .traffic()
        for version, found in place.observation().counters.items()
    }
    write_view(Home(root), place.state, place.observation(), verdict, now=place.now, traffic=shown)
    return document(place.state, read_view(Home(root), MODEL))


def shape(value):
    """Keys and types; what the judge calls its numbers is its own."""
    if isinstance(value, dict):
        return {key: shape(item) if key != "numbers" else "object" for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def test_the_document_of_a_canary_is_the_golden_one(tmp_path):
    found = json.loads(json.dumps(seen(soaking(), tmp_path)))
    assert shape(found) == json.loads(GOLDEN.read_text())


def test_a_rollback_window_has_the_keys_that_are_documented(tmp_path):
    found = seen(promoted(), tmp_path)
    assert found["rollout"] is None
    assert set(found["rollbackWindow"]) == {"version", "previous", "since", "until"}


def test_the_lines_show_steps_evidence_and_what_is_awaited(tmp_path, capsys):
    print_status(seen(soaking(), tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "shapes: production 1, staging 2, rollout of 2"
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "VERSION STAGE WEIGHT READY RESTARTS REQUESTS RECENT ERRORS P95 CONFIDENCE",
        "1 production 90 % yes 0 90 90 in 1 s 0.00 % 0.00475 s 0.910",
        "2 staging 10 % yes 0 10 10 in 1 s 0.00 % 0.00475 s 0.910",
    ]
    assert "rollout of 2 by ann: [10 %] → 50 % → 100 %" in lines
    assert any(line.startswith("errors          A ") and line.endswith("of 40: goes on") for line in lines)
    assert lines[-1].startswith("awaited: 5")


def test_the_picture_shows_the_same(tmp_path):
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(seen(soaking(), tmp_path)))
    drawn = console.file.getvalue()
    assert "rollout of 2: 10 % → 50 % → 100 %" in drawn
    assert "hold: soaking; A " in drawn
    assert "0.00475 s" in drawn
    assert "awaited: 5" in drawn


def test_a_picture_of_nothing_is_drawn_too(tmp_path):
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(document(soaking().state, {})))
    assert "awaited: the first look of the controller" in console.file.getvalue()


@pytest.mark.parametrize(("value", "filled"), [(0.0, 0), (1.0, 0), (1e300, BAR), (40.0, BAR), (40**0.5, BAR // 2)])
def test_a_gauge_is_full_at_its_bound(value, filled):
    assert Gauge("errors", "E", value, 40.0, "goes back").bar == "█" * filled + "░" * (BAR - filled)


def test_every_signal_has_its_gauges():
    signals = {"errors": {"e": 2.0, "a": 3.0}, "latency": {"e": 1.0, "rollbackAt": 80.0}}
    found = evidence({"rollbackAt": 40.0, "advanceAt": 80.0, "signals": signals})
    assert [(gauge.signal, gauge.letter, gauge.bound) for gauge in found] == [
        ("errors", "E", 40.0),
        ("errors", "A", 80.0),
        ("latency", "E", 80.0),
    ]


@pytest.fixture
def stepping(home, geometry, deciding):
    """Version 2 beside version 1, as long as the test lasts."""
    publish_tiny(home.root)
    publish_tiny(home.root, flip=True)
    with deciding(home) as controller:
        geometry("promote", "1", "--to", "production", "--yes", "--wait")
        geometry("promote", "2", "--to", "production", "--yes")
        yield controller


def test_pairs_and_their_labels_are_shown_while_a_canary_is_mirrored_to(tmp_path, capsys):
    place = mirrored(AGREEING)
    labels = answer(place, "a", canary="circle", stable="circle", pairs=38)
    answer(place, "b", canary="star", stable="circle", pairs=2)
    place.label("first", **labels, b0="circle")
    shown = seen(place, tmp_path)
    print_status(shown)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "pairs 40, 95.00 % agree" in lines
    assert "labelled pairs 39: the canary alone is wrong in 1, the stable alone in 0" in lines
    gauges = [line.split("░")[-1] for line in lines if line.startswith(("labels E", "agreement E"))]
    assert [gauge.endswith("of 200: goes back") for gauge in gauges] == [True, True]
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(shown))
    assert "labelled pairs  39: the canary alone is wrong in 1" in console.file.getvalue()


def test_watching_from_a_program_prints_a_line_a_change(stepping, geometry):
    with subprocess.Popen([GEOMETRY, "status", "-w"], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout.readline() == "shapes: production 1, staging 2, rollout of 2\n"
        geometry("rollback", "--yes", "--reason", "seen enough")
        told = watching.communicate(timeout=60)[0]
    assert "aborted 2 (seen enough)" in told
    assert watching.returncode == 0


def test_watching_on_a_terminal_draws_until_nothing_is_in_progress(stepping, home, geometry):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "140"}
    with subprocess.Popen([GEOMETRY, "status", "-w"], stdout=theirs, env=environment) as watching:
        os.close(theirs)
        drawn = b""
        while b"awaited: " not in drawn:
            drawn += os.read(ours, 1 << 16)
        geometry("rollback", "--yes")
        drawn += rest(ours)
    os.close(ours)
    assert watching.returncode == 0
    assert b"rollout of 2" in drawn
    assert b"production 1" in drawn


def rest(terminal):
    """Everything until the other side closes it."""
    drawn = b""
    try:
        while read := os.read(terminal, 1 << 16):
            drawn += read
    except OSError:  # how Linux says that a terminal has no other side
        pass
    return drawn
