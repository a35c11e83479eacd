"""`geometry local`: the installation on this machine, started, stopped and looked at; and `geometry controller`."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.adapters.local.envoy import Ports
from registry.adapters.local.state import LocalState, read_state
from registry.cli.asking import wait_for
from registry.cli.completion import complete_log
from registry.cli.monitoring import monitoring
from registry.cli.options import Format, FormatOption, HomeOption, place, say
from registry.cli.places import LocalPlace, runs_here, state_of
from registry.cli.printing import print_data, print_table
from registry.domain.errors import Unreachable
from registry.domain.version import Model
from registry.store.home import Home
from registry.store.keys import generate_key
from registry.store.policy import DEFAULT_POLICY_TEXT
from registry.store.view import read_view

UP = 30.0
SERVING = 120.0
DOWN = 60.0
"""Seconds for the controller to start, for production to serve, and for everything to end."""

PublicPort = Annotated[int, typer.Option("--port", help="Live traffic.", envvar="GEOMETRY_PORT")]
PinnedPort = Annotated[int, typer.Option("--pinned-port", help="Tests of one revision, by header x-revision.")]
AdminPort = Annotated[int, typer.Option("--admin-port", help="Envoy's own pages.")]
MetricsPort = Annotated[int, typer.Option("--metrics-port", help="The controller's own metrics (0: any free one).")]
PORTS = Ports()


def add(app: typer.Typer) -> None:
    verbs = typer.Typer(help="The installation on this machine.", no_args_is_help=True)
    for name, verb in (
        ("up", up),
        ("down", down),
        ("status", local_status),
        ("logs", logs),
        ("monitoring", monitoring),
    ):
        verbs.command(name)(verb)
    app.add_typer(verbs, name="local")
    app.command("controller")(controller)


def _command(home: Home, ports: Ports, metrics: int) -> list[str]:
    named = {**vars(ports), "metrics": metrics}
    flags = [item for name, port in named.items() for item in (f"--{name}-port", str(port))]
    return [sys.executable, "-m", "registry.controller", "--home", str(home.root), *flags]


def controller(
    port: PublicPort = PORTS.public,
    pinned_port: PinnedPort = PORTS.pinned,
    admin_port: AdminPort = PORTS.admin,
    metrics_port: MetricsPort = 0,
    home: HomeOption = None,
) -> None:
    """Run the controller in the foreground."""
    command = _command(place(home), Ports(port, pinned_port, admin_port), metrics_port)
    os.execv(command[0], command)  # noqa: S606 - this very program


def up(
    port: PublicPort = PORTS.public,
    pinned_port: PinnedPort = PORTS.pinned,
    admin_port: AdminPort = PORTS.admin,
    metrics_port: MetricsPort = 0,
    home: HomeOption = None,
) -> None:
    """Start controller, Envoy and what the journal says shall run; wait until production serves."""
    found = place(home)
    if not runs_here(found):
        _prepare(found)
        _start(found, Ports(port, pinned_port, admin_port), metrics_port)
    state = wait_for(LocalPlace(found), lambda: read_state(found.root), seconds=UP, what="the controller's state")
    _await_serving(found)
    say(_addresses(state))


def _prepare(home: Home) -> None:
    """What a first start needs: a key to trust, and a policy to edit."""
    if not (home.keys / "trust.json").exists():
        say(f"made a signing key in {home.keys}: {generate_key(home.keys).keyid}")
    if not home.policy.exists():
        text = DEFAULT_POLICY_TEXT.replace("minReplicas: 2", "minReplicas: 1")
        home.policy.write_text(text)


def _start(home: Home, ports: Ports, metrics: int) -> None:
    """Start the controller on its own, away from this terminal; say what it said when it ends at once."""
    log = home.run / "logs" / "controller.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(  # noqa: S603 - this very program
            _command(home, ports, metrics),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def started() -> bool | None:
        if process.poll() is not None:
            told = log.read_bytes()[before:].decode(errors="replace").strip().splitlines()
            raise Unreachable(
                told[-1] if told else f"the controller ended with exit code {process.returncode}; see {log}"
            )
        state = read_state(home.root)
        return True if state is not None and state.controller == process.pid else None

    wait_for(LocalPlace(home), started, seconds=UP, what=f"the controller ({log})")


def _await_serving(home: Home) -> None:
    """Wait until every model that has a version in production serves it."""
    for model in home.journals():
        wait_for(LocalPlace(home), partial(_serves, home, model), seconds=SERVING, what=f"{model} to serve")


def _serves(home: Home, model: Model) -> bool | None:
    """True when the version in production has live traffic; raises Unreachable when the controller is stopped."""
    state, view = state_of(LocalPlace(home), model), read_view(home, model)
    if view.get("problem"):
        raise Unreachable(view["problem"])
    weights = view.get("weights") or {}
    return True if state.production is None or weights.get(state.production) else None


def down(home: HomeOption = None) -> None:
    """Stop controller, Envoy and all revisions; requests in flight are finished."""
    found = place(home)
    if not runs_here(found):
        say("nothing runs here")
        return
    pid = int(found.lock.read_text().strip() or 0)
    if pid:
        os.kill(pid, signal.SIGTERM)
    what = f"the end of process {pid}"
    wait_for(LocalPlace(found), lambda: None if runs_here(found) else True, seconds=DOWN, what=what)
    say("stopped")


def local_status(output: FormatOption = Format.TABLE, home: HomeOption = None) -> None:
    """Show processes, ports and addresses."""
    found = place(home)
    state = read_state(found.root) if runs_here(found) else None
    if state is None:
        raise Unreachable(f"{found.root}: nothing runs here; start it with `geometry local up`")
    rows = _processes(state)
    if output is Format.TABLE:
        print_table(rows, ("name", "pid", "address", "ready", "restarts"))
        print(_addresses(state))
    else:
        addresses = {name: getattr(state, name) for name in ("public", "pinned", "admin", "metrics")}
        print_data({**addresses, "processes": rows}, output)


def _addresses(state: LocalState) -> str:
    return f"live traffic: {state.public}   tests: {state.pinned}   Envoy: {state.admin}   metrics: {state.metrics}"


def _processes(state: LocalState) -> list[dict[str, Any]]:
    return [
        {"name": "controller", "pid": state.controller},
        {"name": "envoy", "pid": state.envoy, "address": state.public},
        *(
            {
                "name": f"{revision.model}-{revision.revision}" + (" (staging)" if revision.staging else ""),
                "pid": revision.pid,
                "address": f"http://127.0.0.1:{revision.http}",
                "ready": "yes" if revision.ready else "no",
                "restarts": revision.restarts,
            }
            for revision in state.revisions
        ),
    ]


def logs(
    name: Annotated[
        str, typer.Argument(help="controller, envoy or a revision's service.", autocompletion=complete_log)
    ] = "controller",
    lines: Annotated[int, typer.Option("-n", "--lines", help="Lines from the end.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Stay and print what comes.")] = False,
    home: HomeOption = None,
) -> None:
    """Print the end of a process's log."""
    directory = place(home).run / "logs"
    path = directory / f"{name}.log"
    if not path.exists():
        raise typer.BadParameter(f"{name}: no such log; there are {', '.join(_logs(directory)) or 'none'}")
    if follow:
        os.execvp("tail", ["tail", "-n", str(lines), "-F", str(path)])  # noqa: S606, S607 - the user's own tail
    print("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))


def _logs(directory: Path) -> Sequence[str]:
    return sorted(path.stem for path in directory.glob("*.log"))
