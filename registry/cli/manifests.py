"""`geometry manifests render | diff | release`: the release as Kubernetes objects, for eyes and for git."""

import difflib
import json
import subprocess
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import yaml

from registry.cli.completion import ModelOption
from registry.cli.options import MODEL, ContextOption, HomeOption, NamespaceOption, now, say
from registry.cli.places import Place, installation, state_of
from registry.domain.errors import InvalidDocument, Refused, RegistryError, Unreachable
from registry.domain.objects import Object, render
from registry.domain.state import State, release
from registry.domain.validated import carried, heading, validated
from registry.manifests import read_templates
from registry.store import durable

RELEASE = "release.yaml"

SETTLE = timedelta(seconds=15)
"""So long the controller has for an entry before git follows: weights leave a version first, its pods later."""

LOOK = 2.0
"""Seconds between two looks at the journal."""

app = typer.Typer(no_args_is_help=True, help="The release as Kubernetes objects.")

IntoArgument = Annotated[Path, typer.Argument(help="Folder of the overlay that release.yaml lies in.")]


def add(parent: typer.Typer) -> None:
    for verb in (render_verb, diff, release_verb):
        app.command(verb.__name__.removesuffix("_verb"))(verb)
    parent.add_typer(app, name="manifests")


def render_verb(
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Print the objects of the release as it is now, with the weights of a step in progress."""
    found = installation(home, context, namespace)
    templates = read_templates(namespace=found.namespace)
    print(_text(render(release(state_of(found, model)), templates, found.policy().serving)), end="")


def diff(
    into: IntoArgument,
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Print how release.yaml differs from the validated release; exit 3 when it does."""
    found, path = installation(home, context, namespace), into / RELEASE
    state = state_of(found, model)
    lines = difflib.unified_diff(
        _read(path).splitlines(keepends=True),
        whole(found, state, path).splitlines(keepends=True),
        fromfile=str(path),
        tofile=f"journal {state.head.sequence}",
    )
    print(told := "".join(lines), end="")
    if told:
        raise Refused(f"{path} is not the validated release; `geometry manifests release {into}` writes it")


def release_verb(
    into: IntoArgument,
    follow: Annotated[bool, typer.Option("--follow", help="Go on, and commit every change to git.")] = False,
    model: ModelOption = MODEL,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Write release.yaml whole: the validated release, never the weights of a step. Pushing is yours."""
    found = installation(home, context, namespace)
    if not follow:
        write(found, state_of(found, model), into / RELEASE)
        return
    _git(into, "rev-parse", "--is-inside-work-tree")
    away: str | None = None
    while True:
        away = _step(found, model, into, away)
        time.sleep(LOOK)


def _step(found: Place, model: str, into: Path, away: str | None) -> str | None:
    """Write and commit what changed. Returns why nobody could be asked, told where it is not `away`: a controller that
    moves to another node is back soon."""
    try:
        state = state_of(found, model)
        if _is_settled(state, now()) and write(found, state, into / RELEASE):
            commit(into, state)
    except Unreachable as error:
        if str(error) != away:
            say(f"{error}; looking again")
        return str(error)
    return None


def write(found: Place, state: State, path: Path) -> bool:
    """Write the file where other objects are wanted than it has; says whether it did."""
    text = whole(found, state, path)
    if _objects(path, text) == _objects(path, _read(path)):
        return False
    durable.replace(path, text.encode())
    say(f"{path}: the release of journal entry {state.head.sequence}")
    return True


def whole(found: Place, state: State, path: Path) -> str:
    """The text of release.yaml; what it says now tells which runtimes revisions began with."""
    before = _objects(path, _read(path))
    made = carried(validated(state), read_templates(namespace=found.namespace), found.policy().serving, before)
    return heading(state.head) + _text(made)


def commit(into: Path, state: State) -> None:
    """Commit release.yaml alone, whatever else is staged."""
    _git(into, "add", "--", RELEASE)
    served = f"production {state.production}" if state.production else "no production"
    message = f"{state.model}: {served}, journal entry {state.head.sequence}"
    _git(into, "commit", "--quiet", "--only", "--message", message, "--", RELEASE)


def _is_settled(state: State, moment: datetime) -> bool:
    return state.time is None or moment - state.time >= SETTLE


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _objects(path: Path, text: str) -> tuple[Object, ...]:
    """The objects without the anchor: that moves with every entry of the journal, also where no object changes."""
    try:
        found = [one for one in yaml.safe_load_all(text) if one is not None]
    except yaml.YAMLError as error:
        raise InvalidDocument(f"{path}: not readable as YAML ({error}); delete it to have it written anew") from error
    for one in found:
        (one["metadata"].get("annotations") or {}).pop("ml-geometry/anchor", None)
    return tuple(found)


def _text(objects: Sequence[Object]) -> str:
    plain = json.loads(json.dumps(objects))  # without aliases for parts that are shared
    return yaml.safe_dump_all(plain, sort_keys=False, allow_unicode=True, explicit_start=True)


def _git(into: Path, *arguments: str) -> None:
    command = ["git", "-C", str(into), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's own git
    if done.returncode:
        raise RegistryError(f"git {arguments[0]} in {into}: {(done.stderr or done.stdout).strip()}")
