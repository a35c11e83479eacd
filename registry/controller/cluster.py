"""The controller of one namespace of a cluster: `python -m registry.controller --substrate cluster`.

It waits for the Lease, acts while it holds it, and ends when it does not any more: the kubelet starts it again.
"""

import logging
import socket
import threading
import uuid
from collections.abc import Mapping
from importlib.util import find_spec

from registry.adapters.cluster.api import Api, connect
from registry.adapters.cluster.events import Events
from registry.adapters.cluster.labels import LabelMaps
from registry.adapters.cluster.lease import Lease
from registry.adapters.cluster.models_view import ModelViews
from registry.adapters.cluster.promotions import Desk
from registry.adapters.cluster.substrate import ClusterSubstrate
from registry.adapters.cluster.waking import Waking
from registry.adapters.local.tether import tethered
from registry.adapters.projector import Projector
from registry.controller.answering import Server
from registry.controller.backups import Backups
from registry.controller.health import Health
from registry.controller.loop import Controller, clock
from registry.controller.routes import Reading
from registry.controller.running import run, stop_on_signal
from registry.domain.errors import RegistryError
from registry.manifests import read_templates
from registry.store import durable
from registry.store.home import Home
from registry.store.policy import load_policy
from registry.store.view import forget_views

NAMESPACE, CONTEXT, POD = "GEOMETRY_NAMESPACE", "GEOMETRY_CONTEXT", "GEOMETRY_POD"
TRACKING = "MLFLOW_TRACKING_URI"
PACE = 2.0
"""Seconds between two turns that found nothing: a canary that dies has weight 0 within two of them."""

AGAIN = 5.0
"""Seconds between two looks at a cluster that lacks something."""

_log = logging.getLogger("registry.controller")


def serve(place: Home, environment: Mapping[str, str], *, api: Api | None = None, port: int = 8080) -> int:
    """Wait for the Lease, then act until SIGTERM (0) or until the Lease is lost (1). Raises RegistryError, OSError."""
    api = api or connect(environment.get(CONTEXT) or None, environment.get(NAMESPACE) or None)
    lease = Lease(api, holder(environment))
    health = Health(lambda: lease.held)
    wake = threading.Event()
    stop = stop_on_signal(wake)
    for directory in (place.journal, place.run):
        durable.make_directory(directory)
    durable.probe(place.journal)
    controller = build(place, api, lease, environment)
    server = Server(Reading(controller, health).routes(), port=port)
    server.start()
    _log.info("http.listening port=%s", server.port)
    try:
        if not lease.acquire(stopped=stop):
            return 0
        return _act(controller, lease, health, wake, stop)
    finally:
        lease.release()
        server.stop()


def _act(controller: Controller, lease: Lease, health: Health, wake: threading.Event, stop: threading.Event) -> int:
    forget_views(controller.home)
    if not _started(controller, lease, health, stop):
        return 0 if stop.is_set() else 1
    _log.info("controller.started home=%s namespace=%s", controller.home.root, lease.api.namespace)
    Waking(lease.api, wake).start()
    try:
        run(controller, stop=stop, wake=wake, pace=PACE, goes_on=health.goes_on)
    finally:
        if controller.projector is not None:
            controller.projector.stop()
        if controller.backups is not None:
            controller.backups.stop()
        controller.substrate.stop(clock())
    _log.info("controller.stopped lease=%s", "held" if lease.held else "lost")
    return 0 if lease.held or stop.is_set() else 1


def _started(controller: Controller, lease: Lease, health: Health, stop: threading.Event) -> bool:
    """Wait until the cluster can do what is asked of it: whatever is missing may be installed later than this."""
    while not stop.is_set() and lease.held:
        try:
            controller.substrate.start(clock())
        except RegistryError as error:
            if health.missing != str(error):
                _log.error("cluster.unfit reason=%s", error)
            health.missing = str(error)
            stop.wait(AGAIN)
        else:
            health.missing = None
            return True
    return False


def build(place: Home, api: Api, lease: Lease, environment: Mapping[str, str]) -> Controller:
    """Everything that acts in one namespace."""
    substrate = ClusterSubstrate(api, templates=read_templates(), policy=lambda: load_policy(place.policy))
    events = Events(api, lease.holder)
    desk = Desk(api, events, ModelViews(api, events), LabelMaps(api, place.labels_of))
    projector, tracking = None, environment.get(TRACKING)
    if tracking and find_spec("mlflow") is None:
        _log.warning("mirror.missing reason=%s", f"MLflow is not installed here, so {tracking} shows no stages")
    elif tracking:
        projector = Projector(place.root, tracking, tethered)
    return Controller(
        place,
        substrate,
        projector,
        Backups(place, tethered, mounted=True),
        inbox=desk,
        outcomes=substrate.outcomes,
        scrape=substrate.scrape,
        may_act=lambda: lease.held,
    )


def holder(environment: Mapping[str, str]) -> str:
    """A name that no other process has: also a container that was started again is another one."""
    return f"{environment.get(POD) or socket.gethostname()}_{uuid.uuid4().hex[:8]}"
