"""`geometry models compare --live`: what is asked, shown and printed, and how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.versions import publish_tiny

GEOMETRY = str(Path(sys.executable).with_name("geometry"))
BETTER = {"1": (100, 30, 0), "2": (100, 5, 0)}
"""Version 2 is sure of itself more often."""


@pytest.fixture
def controller(home, geometry, deciding):
    """Version 1 in production, version 2 published; both answer, and have warmed up at once."""
    publish_tiny(home.root)
    publish_tiny(home.root, flip=True)
    home.policy.write_text("rollout: {warmup: 0}\n")
    with deciding(home) as running:
        assert geometry("promote", "1", "--to", "production", "--yes", "--wait").code == 0
        running.counting = BETTER
        yield running


def kinds(home):
    return [entry.kind.value for entry in home.journal_of("shapes").read()]


def compare(geometry, *options):
    return geometry("models", "compare", "1", "2", "--live", "--for", "1s", *options)


def test_the_table_says_which_version_is_better(controller, geometry):
    ran = compare(geometry)
    assert ran.code == 0, ran.told
    lines = ran.output.splitlines()
    assert lines[0] == "shapes: 1 and 2 at 50 and 50 %, over"
    assert lines[1].split() == ["WHAT", "VERSION", "1", "VERSION", "2", "RATIO", "INTERVAL", "DIFFERENCE", "BETTER"]
    sure = next(line for line in lines if line.startswith("images of low confidence"))
    assert [part for part in ("(30.00%)", "(5.00%)", " 0.167 ") if part not in sure] == []
    assert sure.endswith("version 2")
    assert next(line for line in lines if line.startswith("errors")).endswith("not known yet")


def test_it_is_told_while_it_runs_as_soon_as_it_is_known(controller, geometry):
    told = compare(geometry).told.splitlines()
    assert "started comparison of 2 (against 1, 50 % for 1 s); Ctrl-C or `geometry abort` ends it" in told[-2]
    assert told[-1].startswith("images of low confidence: version 1 ")
    assert told[-1].endswith("better version 2")


def test_programs_get_one_object(controller, geometry):
    found = json.loads(compare(geometry, "--weight", "40", "-o", "json").output)
    assert [found[key] for key in ("model", "base", "candidate", "weight", "outcome")] == [
        "shapes", "1", "2", 40, "over"
    ]  # fmt: skip
    assert (found["seconds"], found["confidence"]) == (1.0, 0.95)
    low = found["signals"]["low_confidence"]
    assert low["base"]["rate"] == pytest.approx(0.3)
    assert low["ratio"]["low"] < low["ratio"]["value"] < low["ratio"]["high"] < 1
    assert low["difference"]["low"] < -0.25 < low["difference"]["high"] < 0
    assert low["better"] == "candidate"
    assert found["signals"]["errors"]["ratio"] == {"value": None, "low": 0.0, "high": None}
    assert not found["signals"]["latency"]["equalLoad"]


def test_it_never_promotes_and_the_history_tells_it_apart(controller, geometry, home):
    compare(geometry, "--reason", "which?")
    assert kinds(home)[-1] == "expired"
    assert json.loads(geometry("status", "-o", "json").output)["production"] == "1"
    history = geometry("history").output
    assert "requested: compare 2 against 1 (which?)" in history
    assert "staged 2 (on the way to a comparison)" in history
    assert "started comparison of 2 (against 1, 50 % for 1 s)" in history
    assert "expired 2 (comparison over; E " in history


def _hears_ctrl_c():
    """What a shell starts in the background ignores it, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def running(controller, home):
    """The command in a process of its own, at its split."""
    environment = {**os.environ, "GEOMETRY_HOME": str(home.root)}
    command = [GEOMETRY, "models", "compare", "1", "2", "--live", "-o", "json"]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hears_ctrl_c,
    ) as process:
        for line in process.stderr:
            if line.startswith("images of low confidence"):
                break
        yield process
        process.kill()


def test_ctrl_c_ends_it_with_what_was_found(running, home):
    running.send_signal(signal.SIGINT)
    output, told = running.communicate(timeout=120)
    found = json.loads(output)
    assert (running.returncode, found["outcome"], found["reason"]) == (0, "aborted", "Ctrl-C where it was asked for")
    assert found["signals"]["low_confidence"]["better"] == "candidate"
    assert kinds(home)[-1] == "aborted"
    assert "accepted: aborted 2" in told


def test_a_terminal_gets_a_picture(controller, home):
    environment = {**os.environ, "GEOMETRY_HOME": str(home.root), "TERM": "xterm", "COLUMNS": "200"}
    ours, theirs = pty.openpty()
    command = [GEOMETRY, "models", "compare", "1", "2", "--live", "--for", "1s"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: read(ours), b"")).decode()
        output, _ = process.communicate(timeout=120)
    os.close(ours)
    assert [word for word in ("WHAT", "VERSION 2", "version 2", "awaited: ") if word not in shown] == []
    assert output.startswith("shapes: 1 and 2 at 50 and 50 %, over")


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # its other end is closed
        return b""


def test_status_says_what_it_is_and_pause_is_refused(running, geometry):
    status = geometry("status").output
    assert "staging -, comparison of 2" in status.replace("staging 2", "staging -")
    assert ": [50 %] → the end" in status
    assert "of the comparison pass, then version 1 has all requests again" in status
    assert json.loads(geometry("status", "-o", "json").output)["rollout"]["comparison"] is True
    ran = geometry("pause")
    assert (ran.code, ran.output) == (3, "")
    assert "a comparison of 1 and 2 is in progress" in ran.told


def test_one_that_is_compared_is_not_promoted_meanwhile(running, geometry):
    ran = geometry("promote", "2", "--to", "production", "--yes")
    assert ran.code == 3
    assert "a comparison of 2 is in progress" in ran.told


def test_abort_ends_it_for_who_waits(running, geometry):
    assert geometry("abort", "--yes", "--reason", "lunch").code == 0
    output, _ = running.communicate(timeout=120)
    assert (running.returncode, json.loads(output)["reason"]) == (0, "lunch")


def test_harm_is_a_failure_with_what_was_found(controller, running, home):
    controller.counting = {"1": (100, 30, 0), "2": (100, 5, 20)}
    output, told = running.communicate(timeout=120)
    found = json.loads(output)
    assert (running.returncode, found["outcome"]) == (1, "rolled back")
    assert found["signals"]["errors"]["candidate"]["bad"] > 0
    assert "shapes 2 ended before its time: rolled back 2 (errors above the stable's" in told


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("2", "1", "--live"), 3, "version 2 is not in production, version 1 is"),
        (("1", "1", "--live"), 3, "version 1 is already in production"),
        (("1", "9", "--live"), 3, "no version 9"),
        (("1", "2", "--live", "--weight", "51"), 2, "less than or equal to 50"),
        (("1", "2", "--live", "--for", "soon"), 2, "wanted a number with its unit"),
        (("1", "2", "--weight", "10", "--for", "1m"), 2, "--weight and --for without --live"),
    ],
)
def test_what_is_asked_wrongly_starts_nothing(controller, home, geometry, arguments, code, words):
    ran = geometry("models", "compare", *arguments)
    assert (ran.code, ran.output) == (code, "")
    assert words in " ".join(ran.told.replace("│", " ").split())
    assert kinds(home).count("started") == 1


def test_without_a_controller_nothing_is_compared(home, geometry):
    publish_tiny(home.root)
    ran = compare(geometry)
    assert (ran.code, ran.output) == (5, "")
    assert "geometry local up" in ran.told
