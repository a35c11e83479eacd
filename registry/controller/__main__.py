"""`python -m registry.controller`: the controller of one machine or of one namespace, in the foreground."""

import argparse
import fcntl
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from registry.adapters.local.envoy import LOOPBACK, Ports
from registry.adapters.local.revision import Program
from registry.adapters.local.substrate import LocalSubstrate
from registry.adapters.local.tether import tethered
from registry.adapters.projector import Projector
from registry.controller.answering import Server
from registry.controller.backups import Backups
from registry.controller.health import Health
from registry.controller.loop import Controller, clock
from registry.controller.routes import Reading
from registry.controller.running import run, stop_on_signal
from registry.domain.errors import Conflict, RegistryError
from registry.manifests import read_templates
from registry.store import durable
from registry.store.home import Home, home
from registry.store.policy import load_policy
from registry.store.view import forget_views

HANDOVER = 1.0
"""Seconds in which a controller that was just killed loses its lock; a command that looks at it has it for a moment."""

_log = logging.getLogger("registry.controller")


def take_lock(place: Home) -> int:
    """Take the installation's lock; raises Conflict, with the holder's process id, when another controller has it.

    Returns its descriptor, for the kernel to close: a lock that is free says that the process which had it is gone.
    """
    durable.make_directory(place.run)
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o644)
    end = time.monotonic() + HANDOVER
    while not _locked(descriptor):
        if time.monotonic() > end:
            os.close(descriptor)
            holder = place.lock.read_text().strip()
            raise Conflict(
                f"{place.lock}: a controller runs already (process {holder}); `geometry local down` stops it"
            )
        time.sleep(0.02)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


LOCAL, CLUSTER = "local", "cluster"
PREDICTOR = (sys.executable, "-m", "predictor")


def local_substrate(place: Home, ports: Ports, predictor: tuple[str, ...]) -> LocalSubstrate:
    """What runs revisions on this machine. predictor: the command that serves."""
    program = Program(command=predictor, store=place.store, trust=place.keys, logs=place.run / "logs")
    return LocalSubstrate(
        home=place.root,
        program=program,
        ports=ports,
        templates=read_templates(),
        serving=load_policy(place.policy).serving,
    )


def build(place: Home, substrate: LocalSubstrate) -> Controller:
    """The controller of a local installation, with everything it needs."""
    durable.make_directory(place.journal)
    durable.probe(place.journal)
    tracking = os.environ.get("MLFLOW_TRACKING_URI") or place.tracking_uri
    return Controller(place, substrate, Projector(place.root, tracking, tethered), Backups(place, tethered))


def main(arguments: Sequence[str], *, predictor: tuple[str, ...] = PREDICTOR) -> int:
    """Run until SIGTERM. Returns 1 with one line when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m registry.controller", description=__doc__)
    parser.add_argument("--home", type=Path, default=None, help="Installation (default: GEOMETRY_HOME or .geometry).")
    parser.add_argument("--substrate", choices=(LOCAL, CLUSTER), default=LOCAL, help="What runs revisions.")
    parser.add_argument("--http-port", type=int, default=8080, help="In a cluster: health, metrics, and what is read.")
    for name, port in vars(Ports()).items():
        parser.add_argument(f"--{name}-port", type=int, default=port)
    parser.add_argument("--metrics-port", type=int, default=0, help="Its own metrics, on this machine (0: any).")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    place = home(os.environ, given.home)
    try:
        if given.substrate == CLUSTER:
            from registry.controller.cluster import serve  # a machine's installation needs no Kubernetes client

            return serve(place, os.environ, port=given.http_port)
        take_lock(place)
        ports = Ports(given.public_port, given.pinned_port, given.admin_port)
        _serve(place, local_substrate(place, ports, predictor), metrics_port=given.metrics_port)
    except (RegistryError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _serve(place: Home, substrate: LocalSubstrate, *, metrics_port: int) -> None:
    """Raises OSError when the port is taken."""
    controller, health = build(place, substrate), Health(lambda: True)
    server = Server(Reading(controller, health).monitored(), host=LOOPBACK, port=metrics_port)
    server.start()
    substrate.metrics = f"http://{LOOPBACK}:{server.port}/metrics"
    forget_views(place)
    controller.substrate.start(clock())
    _log.info("controller.started home=%s metrics=%s", place.root, substrate.metrics)
    wake = threading.Event()
    try:
        run(controller, stop=stop_on_signal(wake), wake=wake, goes_on=health.goes_on)
    finally:
        server.stop()
        if controller.projector is not None:
            controller.projector.stop()
        if controller.backups is not None:
            controller.backups.stop()
        controller.substrate.stop(clock())
        _log.info("controller.stopped")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
