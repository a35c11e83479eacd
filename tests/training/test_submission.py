"""`geometry train --submit`: what the Job is told to do is what was asked for here."""

import json

import pytest
import typer
from typer.testing import CliRunner

from training import cli
from training.settings import Settings
from training.submission import submission


def parsed(arguments, monkeypatch):
    """The settings that the Job makes of its arguments."""
    kept = []
    monkeypatch.setattr(cli, "_train", lambda context, settings, **_: kept.append(settings))
    app = typer.Typer()
    app.command()(cli.train)
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    return kept[0]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"quick": True, "epochs": 3, "seed": 7},
        {"register": True, "version": "1.2.3", "baseline": "2", "skip_unreadable": True},
        {"resume": "latest"},
    ],
)
def test_a_submitted_run_is_the_run_that_was_asked_for(change, monkeypatch):
    asked = Settings(model="shapes", **change)
    verb, *arguments = submission(asked, claimed=False)
    assert verb == "train"
    assert parsed(arguments, monkeypatch) == asked


def submitted(*arguments, code=0, interrupted=False):
    """Run train beside a `submit` that only notes what it was called with."""
    called, app = [], typer.Typer()
    app.command("train")(cli.train)
    told = {"version": "4", "model": "shapes", "accuracy": 0.9}

    @app.command("submit")
    def submit(given: list[str], context: str = "", cpu: str = "") -> tuple[int, str]:
        called.append((given, context, cpu))
        if interrupted:
            raise KeyboardInterrupt
        return code, json.dumps(told)

    return CliRunner().invoke(app, ["train", *arguments]), called


def test_what_the_job_printed_is_printed_here():
    ran, called = submitted("--submit", "--context", "c", "--cpu", "2", "--quick", "-o", "json")
    assert json.loads(ran.stdout) == {"version": "4", "model": "shapes", "accuracy": 0.9}
    assert called[0][1:] == ("c", "2")
    assert called[0][0][:2] == ["train", "--quick"]


def test_the_exit_code_of_the_job_is_ours():
    assert submitted("--submit", code=3)[0].exit_code == 3


def test_who_interrupts_it_gets_the_prompt_back():
    assert submitted("--submit", interrupted=True)[0].exit_code == 130


@pytest.mark.parametrize(
    ("arguments", "wanted"), [(["--cpu", "2"], "need --submit"), (["--submit", "--data", "."], "use --data-claim")]
)
def test_what_does_not_go_together_is_refused(arguments, wanted):
    ran, called = submitted(*arguments)
    assert (ran.exit_code, called) == (2, [])
    assert wanted in ran.stderr.replace("\n", " ").replace("│ ", "")
