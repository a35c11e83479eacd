"""The README's commands: every one exists, and with `--readme` all of them run in a clean clone with an empty home."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from registry.cli.app import add_plugins, app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = tuple(
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
)


def test_the_readme_stays_readable():
    assert len(README.splitlines()) <= 250


@pytest.mark.parametrize("command", sorted({line for line in COMMANDS if line.startswith("make ")}))
def test_a_make_target_of_the_readme_exists(command):
    target = command.split()[1]
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def help_of():
    add_plugins()
    return lambda verb: CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "200"}).output


@pytest.mark.parametrize("command", sorted({line for line in COMMANDS if line.startswith("geometry ")}))
def test_a_verb_of_the_readme_has_the_options_that_are_named(command, help_of):
    words = command.split()[1:]
    verb = words[:2] if words[0] in ("local", "models", "keys", "data") else words[:1]
    shown = help_of(verb)
    assert "Usage: " in shown
    assert [word for word in words if word.startswith("--") and word not in shown] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"^(\w+)/ ", README, flags=re.MULTILINE))))
def test_a_folder_of_the_readme_exists(path):
    assert (ROOT / path).is_dir()


@pytest.mark.readme
@pytest.mark.timeout(3600)
def test_the_commands_of_the_readme_run_in_a_clean_clone(tmp_path):
    clone, home = tmp_path / "ml-geometry", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOMETRY", "MLFLOW", "VIRTUAL"))}
    script = "set -eu\n" + "\n".join(COMMANDS) + "\n"
    try:
        ran = subprocess.run(["bash", "-c", script], cwd=clone, env={**kept, "HOME": str(home)}, timeout=3400)
        assert ran.returncode == 0
    finally:
        subprocess.run(["make", "demo-down"], cwd=clone, env={**kept, "HOME": str(home)})
        shutil.rmtree(clone)
