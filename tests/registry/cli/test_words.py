"""Every command that a message names is one that there is."""

import ast
import re
from pathlib import Path

import pytest
import typer

import registry
from registry.cli.app import app
from registry.cli.options import now
from registry.domain.journal import Draft, Kind
from tests.fixtures.versions import publish_tiny

NAMED = re.compile(r"`geometry ([^`]+)`")
PLUGINS = ("train", "data")
"""Verbs of packages that the registry does not know."""
OF_EVERY = {"--help", "--install-completion"}
"""Options that the command line brings with it."""
GEOMETRY = typer.main.get_command(app)


def messages():
    """All text of the package, the values in it left out: {} in their place."""
    for path in sorted(Path(registry.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            yield from ((path.name, command) for command in NAMED.findall(text))


def resolved(words):
    """The words of `words` that are neither verbs nor options of the command they lead to."""
    found = GEOMETRY
    while words and hasattr(found, "commands") and words[0] in found.commands:
        found, words = found.commands[words[0]], words[1:]
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options = [word for word in words if word.startswith("-") and word not in known | OF_EVERY]
    verbs = [word for word in words[:1] if not word.startswith("-") and hasattr(found, "commands")]
    return verbs + options


@pytest.mark.parametrize(("file", "command"), sorted(set(messages())))
def test_a_command_in_a_message_exists(file, command):
    words = command.split()
    assert words[0] in PLUGINS or resolved(words) == []


def test_many_messages_name_a_command():
    assert len(set(messages())) > 40


def test_a_command_that_is_not_there_would_be_found():
    assert resolved(["promot", "3"]) == ["promot"]
    assert resolved(["promote", "3", "--too", "staging"]) == ["--too"]
    assert resolved(["models", "remove"]) == ["remove"]


@pytest.fixture
def published(home):
    """Version 1, published, and no controller."""
    digest = publish_tiny(home.root).digest
    drafts = [Draft(Kind.PUBLISHED, "controller", {"version": "1", "digest": digest})]
    home.journal_of("shapes").append(drafts, head=None, now=now())
    return home


UP = "`geometry local up`"
WITHOUT_CONTROLLER = [
    (("promote", "1", "--to", "production", "--yes"), 5, ("no controller runs here", UP)),
    (("rollback", "--yes"), 5, ("no controller runs here", UP)),
    (("pause",), 5, ("no controller runs here", UP)),
    (("resume",), 5, ("no controller runs here", UP)),
    (("abort", "--yes"), 5, ("no controller runs here", UP)),
    (("approve", "1"), 5, ("no controller runs here", UP)),
    (("adopt", "--reason", "why", "--yes"), 5, ("no controller runs here", UP)),
    (("models", "archive", "1", "--reason", "why"), 5, ("no controller runs here", UP)),
    (("models", "delete", "1", "--reason", "why", "--yes"), 5, ("no controller runs here", UP)),
    (("local", "status"), 5, ("nothing runs here", UP)),
    (("check", "9"), 3, ("no version 9", "published last are: 1", "`geometry models list`")),
    (("promote", "9", "--to", "staging", "--dry-run"), 3, ("no version 9", "`geometry models list`")),
    (("models", "get", "9"), 1, ("no such version", "there are 1", "`geometry models list`")),
    (("models", "export", "9", "--to", "9.tar"), 1, ("no such version", "there are 1", "`geometry models list`")),
    (("models", "import", "none.tar"), 1, ("none.tar: no such file", "`geometry models export`")),
    (("restore", "nowhere"), 1, ("nowhere: no backup", "`geometry backup --to DIR`")),
    (("backup",), 2, ("where to?", "--to DIR", "to the policy")),
    (("promote", "1", "--to", "moon"), 2, ("--to moon", "wanted staging or production")),
]


@pytest.mark.parametrize(("arguments", "code", "words"), WITHOUT_CONTROLLER)
def test_a_command_that_cannot_do_what_is_asked_says_what_to_do(published, geometry, arguments, code, words):
    ran = geometry(*arguments)
    assert (ran.code, ran.output) == (code, "")
    told = " ".join(ran.told.replace("│", " ").split())
    assert [word for word in words if word not in told] == [], told


@pytest.mark.parametrize(
    "arguments", [("models", "get", "1"), ("models", "compare", "1", "1"), ("models", "export", "1", "--to", "1.tar")]
)
def test_a_version_that_does_not_verify_is_named_with_the_way_on(published, geometry, arguments):
    (published.store / "models/shapes/1/model.tflite").unlink()
    ran = geometry(*arguments)
    assert (ran.code, ran.output) == (1, "")
    assert "model.tflite: missing" in ran.told
    assert "`geometry models import` or `geometry restore`" in ran.told


def test_a_backup_of_what_is_damaged_is_refused_with_the_way_on(published, geometry, tmp_path):
    (published.store / "models/shapes/1/model.tflite").unlink()
    ran = geometry("backup", "--to", str(tmp_path / "backups"))
    assert (ran.code, ran.output) == (1, "")
    assert "`geometry doctor` names all that is wrong" in ran.told


@pytest.mark.parametrize("content", ["", "{}", '{"sequence": 2}'])
def test_a_damaged_journal_is_named_with_the_way_on(published, geometry, content):
    (published.journal / "shapes/000001.json").write_text(content)
    ran = geometry("history")
    assert (ran.code, ran.output) == (5, "")
    assert "000001.json" in ran.told
    assert "`geometry restore` brings a backup back" in ran.told


def test_a_version_of_a_key_that_nobody_trusts_is_named_with_the_way_on(published, geometry, tmp_path, monkeypatch):
    geometry("models", "export", "1", "--to", str(tmp_path / "1.tar"))
    monkeypatch.setenv("GEOMETRY_HOME", str(tmp_path / "other"))
    geometry("keys", "init")
    ran = geometry("models", "import", str(tmp_path / "1.tar"))
    assert ran.code == 1
    assert "is not trusted; trusted are" in ran.told
    assert "`geometry keys trust FILE`" in ran.told
