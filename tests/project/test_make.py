"""`make` as people type it. Nothing here installs: recipes are printed, or run in a copy without an environment."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LONG

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)[1].replace("\\\n", " ").split()


def make(*arguments, directory=ROOT):
    """Run make apart from a make around these tests and from its variables."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "PYTHON")
    }
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path):
    """The Makefile and what it depends on, as in a fresh clone."""
    (tmp_path / "requirements").mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def installed(copy):
    """A copy whose environment looks installed after everything it depends on."""
    (copy / ".venv/bin").mkdir(parents=True)
    (copy / ".venv/bin/python").touch()
    (copy / ".venv/.installed").touch()
    for name in ("pyproject.toml", "requirements/dev.txt"):
        os.utime(copy / name, (1, 1))
    return copy


def test_make_alone_prints_every_target():
    printed = make()
    assert printed.returncode == 0
    assert re.findall(r"^  make (\S+) +\S", printed.stdout, re.MULTILINE) == TARGETS
    assert len(TARGETS) <= 36


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_a_recipe(target):
    printed = make("--dry-run", "--always-make", target)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout


def test_a_second_install_does_nothing(installed):
    assert make("--question", "install", directory=installed).returncode == 0


@pytest.mark.parametrize("changed", ["requirements/dev.txt", "pyproject.toml"])
def test_a_changed_lock_installs_again(installed, changed):
    os.utime(installed / ".venv/.installed", (2, 2))
    os.utime(installed / changed, (3, 3))
    assert make("--question", "install", directory=installed).returncode == 1


def test_another_python_is_refused_with_what_is_wanted(copy):
    refused = make("install", "PYTHON=false", directory=copy)
    assert refused.returncode == 2
    assert "No Python 3.11, 3.12 or 3.13 found (tried: false)" in refused.stderr
    assert not (copy / ".venv").exists()


def test_clean_keeps_environment_and_installation(installed):
    kept, gone = (".geometry/journal", ".venv/lib"), ("dist", ".mypy_cache", "registry/domain/__pycache__", "htmlcov")
    for name in (*kept, *gone, "predictor", "training", "tests"):
        (installed / name).mkdir(parents=True)
    assert make("clean", directory=installed).returncode == 0
    assert all((installed / name).exists() for name in kept)
    assert not any((installed / name).exists() for name in gone)


def test_the_files_that_tests_begin_with_exist():
    assert [path for path in LONG if not (ROOT / path).is_file()] == []
