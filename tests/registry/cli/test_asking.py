"""Commands that ask for something: what they say, record, and end with."""

import json
import os
import threading
from pathlib import Path

import pytest

from registry.cli import asking
from registry.cli.options import now
from registry.store.filing import file_request
from tests.fixtures.versions import publish_tiny

PROMOTE = ("promote", "1", "--to", "production")


@pytest.fixture
def published(home):
    publish_tiny(home.root)
    return home


@pytest.mark.parametrize(
    "command", [(*PROMOTE, "--yes"), ("rollback", "--yes"), ("status", "-w"), ("adopt", "--reason", "x", "--yes")]
)
def test_without_a_controller_it_is_unreachable_and_says_how_to_start_one(home, geometry, command):
    ran = geometry(*command)
    assert (ran.code, ran.output) == (5, "")
    assert "geometry local up" in ran.told


def test_promote_stays_until_the_version_serves(published, geometry, deciding):
    with deciding(published):
        ran = geometry(*PROMOTE, "--yes", "--wait")
    assert ran.code == 0, ran.told
    assert "promoted 1 (first version)" in ran.told


def test_promote_again_changes_nothing(published, geometry, deciding):
    with deciding(published):
        geometry(*PROMOTE, "--yes", "--wait")
        before = len(published.journal_of("shapes").read())
        ran = geometry(*PROMOTE, "--yes", "--wait")
    assert ran.code == 0
    assert "is in production already" in ran.told
    assert len(published.journal_of("shapes").read()) == before


def test_a_refusal_is_told_with_its_numbers(published, geometry, deciding):
    publish_tiny(published.root, accuracy=0.5)
    with deciding(published):
        geometry(*PROMOTE, "--yes", "--wait")
        ran = geometry("promote", "2", "--to", "production", "--yes")
    assert (ran.code, ran.output) == (3, "")
    assert "50.0 % − 90.0 % = −40.0 points" in ran.told


def test_an_unknown_version_is_refused(published, geometry, deciding):
    with deciding(published):
        ran = geometry("promote", "7", "--to", "production", "--yes")
    assert ran.code == 3
    assert "published last are: 1" in ran.told


def test_a_dry_run_shows_checks_and_plan_and_records_nothing(published, geometry, deciding):
    publish_tiny(published.root, flip=True)
    with deciding(published):
        geometry(*PROMOTE, "--yes", "--wait")
    before = published.journal_of("shapes").read()
    ran = geometry("promote", "2", "--to", "production", "--dry-run")
    assert ran.code == 0
    assert "accuracy" in ran.output
    assert "latency: measured on the staging revision" in ran.output
    assert "+      name: v2\n" in ran.output
    assert [line.split()[0] for line in ran.output.splitlines() if line.startswith(("staged ", "started "))] == [
        "staged",
        "started",
    ]
    assert "would start: 1 → 2" in ran.output
    assert ran.output.splitlines()[-4:] == [f"{weight:<7}60 s       672" for weight in ("5 %", "10 %", "25 %", "50 %")]
    assert published.journal_of("shapes").read() == before


def test_a_dry_run_tells_how_many_labels_a_mirror_waits_for(published, geometry, deciding):
    publish_tiny(published.root, flip=True)
    with deciding(published):
        geometry(*PROMOTE, "--yes", "--wait")
    steps = "[{mirror: 100}, {mirror: 10, soak: 1}, {weight: 50}]"
    published.policy.write_text(f"schema: 1\nrollout: {{steps: {steps}, block: [labels]}}\n")
    ran = geometry("promote", "2", "--to", "production", "--dry-run")
    assert ran.output.splitlines()[-3].endswith("124 labelled pairs")


def test_a_dry_run_is_refused_by_the_same_rules(published, geometry, deciding):
    publish_tiny(published.root, accuracy=0.5)
    with deciding(published):
        geometry(*PROMOTE, "--yes", "--wait")
    ran = geometry("promote", "2", "--to", "production", "--dry-run")
    assert ran.code == 3
    assert "fail" in ran.output
    assert "−40.0 points" in ran.told


def test_nobody_to_ask_and_no_yes_is_usage(published, geometry, deciding, monkeypatch):
    with deciding(published), Path(os.devnull).open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        ran = geometry(*PROMOTE)
    assert ran.code == 2
    assert "--yes" in ran.told
    assert [entry.kind for entry in published.journal_of("shapes").read()] == ["published"]


def test_a_rollout_that_somebody_ends_is_a_failure_that_says_how(published, geometry, deciding):
    publish_tiny(published.root, flip=True)
    with deciding(published):
        geometry(*PROMOTE, "--yes", "--wait")
        ender = threading.Thread(target=_abort_when_it_runs, args=(published,))
        ender.start()
        ran = geometry("promote", "2", "--to", "production", "--yes", "--wait", "--timeout", "20")
        ender.join()
    assert ran.code == 1
    assert "2 is not in production: aborted 2 (no longer wanted)" in ran.told


def _abort_when_it_runs(home):
    journal = home.journal_of("shapes")
    while "stepped" not in [entry.kind for entry in journal.read()]:
        pass
    request = {"id": "end", "action": "abort", "version": None, "to": "", "reason": "no longer wanted"}
    file_request(journal, request, by="bob", now=now())


@pytest.mark.parametrize("arguments", [("--to", "archived"), ("--to", "production", "--source-stage", "nowhere")])
def test_a_stage_that_there_is_not_is_usage(published, geometry, arguments):
    assert geometry("promote", "1", *arguments).code == 2


@pytest.fixture
def when_it_waits(monkeypatch):
    """Do something when the command has looked for the first time and waits for the controller."""

    def arranged(work):
        sleep, todo = asking.time.sleep, [work]

        def waiting(seconds):
            while todo:
                todo.pop()()
            sleep(seconds)

        monkeypatch.setattr(asking.time, "sleep", waiting)

    return arranged


def test_a_promotion_repeated_while_its_request_waits_follows_that_one(published, geometry, deciding, when_it_waits):
    journal = published.journal_of("shapes")
    with deciding(published):
        pass
    request = {"id": "of a killed command", "action": "promote", "version": "1", "to": "production"}
    with deciding(published) as controller:
        controller.pause()
        file_request(journal, request, by="somebody", now=now())
        when_it_waits(controller.go_on)
        ran = geometry(*PROMOTE, "--yes", "--wait")
    assert ran.code == 0, ran.told
    assert [entry.kind for entry in journal.read()].count("requested") == 1


def test_a_promotion_that_somebody_withdraws_is_refused_with_who_and_why(published, geometry, deciding, when_it_waits):
    journal = published.journal_of("shapes")
    with deciding(published) as controller:
        controller.pause()
        promotion = {"id": "waits", "action": "promote", "version": "1", "to": "production"}
        file_request(journal, promotion, by="ann", now=now())
        file_request(
            journal, {"id": "end", "action": "abort", "version": None, "reason": "not today"}, by="bob", now=now()
        )
        assert "waiting: promote 1 production, asked for by ann" in geometry("status").output
        when_it_waits(controller.go_on)
        ran = geometry(*PROMOTE, "--yes")
    assert ran.code == 3
    assert "withdrawn by bob: not today" in ran.told


def test_a_rollout_that_does_not_end_in_time_is_a_timeout(published, geometry, deciding):
    publish_tiny(published.root, flip=True)
    with deciding(published):
        geometry(*PROMOTE, "--yes", "--wait")
        ran = geometry("promote", "2", "--to", "production", "--yes", "--wait", "--timeout", "0.3")
        assert json.loads(geometry("status", "-o", "json").output)["rollout"]["version"] == "2"
    assert ran.code == 4
    assert "nothing after 0.3 s" in ran.told
