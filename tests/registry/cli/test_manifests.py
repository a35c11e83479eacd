"""`geometry manifests`: what git carries follows the journal."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from registry.cli.manifests import commit
from registry.cli.places import LocalPlace, state_of
from registry.domain.errors import Unreachable
from registry.domain.state import State
from registry.store.home import Home
from tests.fixtures.versions import publish_tiny

Geometry = Callable[..., object]


@pytest.fixture
def served(home: Home, geometry, deciding) -> Home:
    """Version 1 in production."""
    publish_tiny(home.root)
    with deciding(home):
        assert geometry("promote", "1", "--to", "production", "--yes", "--wait").code == 0
    return home


def kinds(path: Path) -> list[str]:
    return [one["kind"] for one in yaml.safe_load_all(path.read_text())]


def test_a_release_is_written_whole_and_again_only_when_it_is_another_one(served, geometry, tmp_path) -> None:
    path = tmp_path / "release.yaml"
    assert geometry("manifests", "release", str(tmp_path)).code == 0
    assert kinds(path) == ["ServingRuntime", "InferenceService", "HTTPRoute", "HTTPRoute"]
    assert f"# journal: {state_of(LocalPlace(served), 'shapes').head.sequence}:" in path.read_text()
    written = path.stat().st_mtime_ns
    assert geometry("manifests", "release", str(tmp_path)).told == ""
    assert path.stat().st_mtime_ns == written


def test_a_difference_by_hand_is_shown_and_refused(served, geometry, tmp_path) -> None:
    geometry("manifests", "release", str(tmp_path))
    assert geometry("manifests", "diff", str(tmp_path)).code == 0
    path = tmp_path / "release.yaml"
    path.write_text(path.read_text().replace("minReplicas: 2", "minReplicas: 7"))
    found = geometry("manifests", "diff", str(tmp_path))
    assert (found.code, "-    minReplicas: 7\n+    minReplicas: 2\n" in found.output) == (3, True)


def test_what_cannot_be_read_says_what_to_do(served, geometry, tmp_path) -> None:
    (tmp_path / "release.yaml").write_text("{")
    found = geometry("manifests", "release", str(tmp_path))
    assert (found.code, "delete it to have it written anew" in found.told) == (1, True)


def test_objects_are_printed_as_they_are_now(served, geometry) -> None:
    made = list(yaml.safe_load_all(geometry("manifests", "render").output))
    assert made[1]["spec"]["predictor"]["name"] == "v1"


def test_a_commit_holds_the_release_alone(served, geometry, tmp_path) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("config", "user.email", "somebody@example.com")
    git("config", "user.name", "somebody")
    (tmp_path / "else.txt").write_text("staged by somebody")
    git("add", "else.txt")
    geometry("manifests", "release", str(tmp_path))
    commit(tmp_path, state_of(LocalPlace(served), "shapes"))
    assert git("show", "--stat", "--format=%s").splitlines()[0].startswith("shapes: production 1, journal entry ")
    assert git("diff", "--cached", "--name-only").split() == ["else.txt"]


def test_following_wants_a_git_folder(served, geometry, tmp_path) -> None:
    found = geometry("manifests", "release", str(tmp_path), "--follow")
    assert (found.code, "not a git repository" in found.told) == (1, True)


def test_following_goes_on_after_a_controller_was_away(served, geometry, tmp_path, monkeypatch) -> None:
    answers = iter([Unreachable("nobody there"), Unreachable("nobody there"), None])

    def asked(found: LocalPlace, model: str) -> State:
        if problem := next(answers, KeyboardInterrupt()):
            raise problem
        return state_of(found, model)

    monkeypatch.setattr("registry.cli.manifests.state_of", asked)
    monkeypatch.setattr("registry.cli.manifests.LOOK", 0)
    monkeypatch.setattr("registry.cli.manifests.SETTLE", timedelta(0))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for name in ("name", "email"):
        subprocess.run(["git", "config", f"user.{name}", "x"], cwd=tmp_path, check=True)
    told = geometry("manifests", "release", str(tmp_path), "--follow").told
    assert told.count("nobody there; looking again") == 1
    assert "InferenceService" in kinds(tmp_path / "release.yaml")
