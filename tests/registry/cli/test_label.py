"""`geometry label`: what is taken, what is refused, and what it prints."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from registry.domain.answers import Answers, Key
from tests.fixtures.versions import publish_tiny


@pytest.fixture
def controller(home, geometry, deciding):
    """Version 1 in production; it called three images circles."""
    publish_tiny(home.root)
    with deciding(home) as made:
        geometry("promote", "1", "--to", "production", "--yes", "--wait")
        made.answers = {"1": Answers({Key("a", 0): "circle", Key("b", 0): "circle", Key("b", 1): "circle"})}
        yield made


def labels(tmp_path, text):
    file = tmp_path / "labels.txt"
    file.write_text(text)
    return str(file)


def test_it_says_how_many_were_taken_unknown_or_had_a_label(controller, geometry, tmp_path):
    file = labels(tmp_path, "a,circle\nb,star\nc,star\na,star\n")
    assert json.loads(geometry("label", file, "-o", "json").output) == {
        "taken": 2,
        "unknown": 1,
        "repeated": 1,
        "versions": {"1": {"right": 1, "wrong": 1}},
    }
    again = geometry("label", file)
    assert again.output.split() == ["FIELD", "VALUE", "taken", "0", "unknown", "1", "repeated", "3", "versions"]
    status = json.loads(geometry("status", "-o", "json").output)
    assert status["versions"]["1"]["labelled"] == {"right": 1, "wrong": 1}


def test_labels_come_from_stdin_too(controller, geometry, monkeypatch):
    text = b'\xef\xbb\xbf{"id": "b", "index": 1, "label": "circle"}\n'
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert json.loads(geometry("label", "-", "-o", "json").output)["taken"] == 1


def test_more_labels_than_an_entry_holds_are_all_counted(controller, geometry, tmp_path, home):
    text = "".join(f"r{number},circle\n" for number in range(2500))
    assert json.loads(geometry("label", labels(tmp_path, text), "-o", "json").output)["unknown"] == 2500
    assert [entry.kind for entry in home.journal_of("shapes").read()].count("labelled") == 3


def test_a_wrong_line_is_told_with_its_number_and_nothing_is_taken(controller, geometry, tmp_path, home):
    before = home.journal_of("shapes").read()
    ran = geometry("label", labels(tmp_path, "a,circle\nb,circel\nc\n"))
    assert (ran.code, ran.output) == (1, "")
    assert "line 2: label is 'circel', wanted one of circle, ellipse" in ran.told
    assert "line 3: found 1 columns" in ran.told
    assert home.labels_of("shapes").files() == []
    assert home.journal_of("shapes").read() == before


@pytest.mark.parametrize("content", [b"", b"a,\xff"])
def test_a_file_without_labels_is_an_error(controller, geometry, tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    assert geometry("label", str(tmp_path / "f")).code == 1


def test_without_a_controller_nothing_is_left_behind(home, geometry, deciding, tmp_path):
    publish_tiny(home.root)
    with deciding(home):
        pass
    ran = geometry("label", labels(tmp_path, "a,circle"))
    assert (ran.code, "no controller runs" in ran.told) == (5, True)
    assert home.labels_of("shapes").files() == []


def test_labels_that_are_not_taken_in_time_wait_and_count_later(controller, home, geometry, tmp_path):
    controller.pause()
    ran = geometry("label", labels(tmp_path, "a,circle"), "--timeout", "0")
    assert (ran.code, "count later" in ran.told) == (4, True)
    assert len(home.labels_of("shapes").files()) == 1
    controller.go_on()
    assert json.loads(geometry("label", labels(tmp_path, "a,star"), "-o", "json").output)["repeated"] == 1
