"""`geometry local` and the console script, as processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from registry.adapters.local.revision import free_port, is_free
from registry.adapters.local.state import read_state
from registry.cli.places import runs_here

GEOMETRY = str(Path(sys.executable).with_name("geometry"))
HEAVY = ("tensorflow", "keras", "mlflow", "kserve", "kubernetes")


@pytest.fixture
def ports():
    """Options for ports that nobody uses."""
    options = ("--port", "--pinned-port", "--admin-port")
    return {option: str(free_port()) for option in options}


@pytest.fixture
def up(home, geometry, ports):
    """`geometry local up`; whatever comes of it, `down` follows."""
    yield lambda: geometry("local", "up", *(word for option in ports.items() for word in option))
    geometry("local", "down")


def runs(pid):
    """Whether there is such a process; a dead one that nobody reaped has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_up_twice_is_harmless_and_down_leaves_nothing(home, geometry, up, ports):
    assert up().code == 0
    state = read_state(home.root)
    assert up().code == 0
    assert read_state(home.root) == state
    shown = json.loads(geometry("local", "status", "-o", "json").output)
    assert [process["name"] for process in shown["processes"]] == ["controller", "envoy"]
    assert "ml_geometry_controller_acting 1.0" in httpx.get(shown["metrics"]).text
    assert geometry("local", "down").code == 0
    assert not runs_here(home)
    assert not any(runs(pid) for pid in (state.controller, state.envoy))
    assert all(is_free(int(port)) for port in ports.values())
    assert geometry("local", "status").code == 5


def test_a_port_that_is_taken_is_named_with_the_way_out(geometry, up, ports):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", int(ports["--pinned-port"])))
        holder.listen()
        ran = up()
    assert ran.code == 5
    assert f"port {ports['--pinned-port']}" in ran.told
    assert "geometry local up --pinned-port N" in ran.told


def test_a_broken_policy_is_named_and_nothing_stays(home, up):
    home.root.mkdir()
    home.policy.write_text("rollout: {stepz: []}")
    ran = up()
    assert ran.code == 5
    assert "stepz" in ran.told
    assert not runs_here(home)


def test_down_where_nothing_runs_is_harmless(home, geometry):
    assert geometry("local", "down").code == 0


def test_the_console_script_ends_with_the_code_of_the_error(tmp_path):
    environment = {**os.environ, "GEOMETRY_HOME": str(tmp_path / "home")}
    ran = subprocess.run([GEOMETRY, "rollback", "--yes"], env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (5, "")
    assert "Traceback" not in ran.stderr


def test_the_command_does_not_load_what_it_does_not_need():
    program = "import sys, registry.cli.app as a; a.add_plugins(); print(*{n.split('.')[0] for n in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(ran.stdout.split()) & set(HEAVY)


def test_a_log_that_there_is_not_is_usage_and_names_those_there_are(home, geometry):
    logs = home.run / "logs"
    logs.mkdir(parents=True)
    (logs / "envoy.log").write_text("one\ntwo\n")
    ran = geometry("local", "logs", "nobody")
    assert ran.code == 2
    assert "there are envoy" in " ".join(ran.told.split())
    assert geometry("local", "logs", "envoy", "-n", "1").output == "two\n"
