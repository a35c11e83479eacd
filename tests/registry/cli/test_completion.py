"""What a TAB offers, and how light `--help` is."""

import subprocess
import sys

import pytest

from tests.fixtures.versions import publish_tiny

HEAVY = {"httpx", "rich.live", "numpy", "mlflow", "cryptography", "tensorflow", "keras", "kserve"}
HELP = f"""
import sys
from registry.cli import main
sys.argv = ["geometry", "--help"]
try:
    main()
except SystemExit:
    print("loaded:", *({HEAVY!r} & sys.modules.keys()))
"""


@pytest.fixture
def completed(geometry, monkeypatch):
    """What the shell is offered after these words."""

    def offered(*words):
        monkeypatch.setenv("_GEOMETRY_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(("geometry", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        return geometry().output.split()

    return offered


@pytest.mark.parametrize("verb", [("promote",), ("models", "get")])
def test_versions_are_offered_the_newest_first(home, completed, verb):
    for version in ("2", "10", "1.4.0"):
        publish_tiny(home.root, version=version)
    assert completed(*verb, "") == ["10", "2", "1.4.0"]
    assert completed(*verb, "1") == ["10", "1.4.0"]


def test_versions_of_the_model_that_was_named_are_offered(home, completed):
    publish_tiny(home.root, version="1")
    publish_tiny(home.root, version="7", model="other")
    assert completed("promote", "-m", "other", "") == ["7"]
    assert completed("status", "-m", "") == ["other", "shapes"]


def test_where_nothing_is_nothing_is_offered_and_nothing_made(home, completed):
    assert completed("promote", "") == completed("status", "-m", "") == completed("local", "logs", "") == []
    assert not home.root.exists()


def test_verbs_are_offered(completed):
    assert "promote" in completed("pro")


def test_help_loads_nothing_heavy():
    ran = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded:"
