"""KServe's ModelServer with our edges in the place of its own, in as many processes as there are cores."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import warnings
from collections.abc import Mapping
from typing import Any

import kserve
import kserve.logging
import kserve.model_server
import uvloop
from kserve.protocol.rest.server import RESTServer

from predictor import plain, v1, v2
from predictor.acceptor import Acceptor
from predictor.edge import Edge
from predictor.errors import PortTaken
from predictor.http import Connection
from predictor.model import GeometryModel
from predictor.query import Form
from predictor.rpc import GrpcServer, Service
from predictor.served import Served
from predictor.settings import Settings
from predictor.site import Site, Wire
from predictor.workers import BEAT, Heartbeats, Workers

GRACE = 30
"""Seconds for requests in flight after SIGTERM."""
_BACKLOG = 2048
_SPARE_DESCRIPTORS = 200
_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_EXTENSIONS = ["binary_tensor_data"]

log = logging.getLogger("predictor")


class Server(kserve.ModelServer):  # type: ignore[misc]  # kserve ships no types
    """Serves one model over REST and gRPC until SIGTERM, then finishes what is in flight."""

    def __init__(self, model: GeometryModel, settings: Settings) -> None:
        # KServe reads its own flags itself. Its gRPC server is replaced, so it must not start one.
        super().__init__(workers=1, enable_grpc=False, enable_latency_logging=False, grace_period=GRACE)
        self._model = model
        self._settings = settings
        self._heartbeats = Heartbeats(settings.workers)
        # KServe would claim its extension for loading and unloading, which does not exist here.
        metadata = {**self.dataplane.metadata(), "extensions": _EXTENSIONS}
        self.dataplane.metadata = lambda: metadata

    def start(self, models: list[Any]) -> None:
        """Serve; returns after SIGTERM. Raises PortTaken before anything is opened."""
        settings = self._settings
        ports = {"--http_port": self.http_port, "--grpc_port": settings.grpc_port}
        for flag, port in ports.items():
            if port is not None:
                check_port(settings.host, port, flag)
        self._register_and_check_atleast_one_model_is_ready(models)
        self._prepare()
        # What is here now stays: the collector need not look at it, nor write to it, which would copy it after a fork.
        gc.collect()
        gc.freeze()
        gc.enable()
        shared = settings.workers > 1
        self._sockets = [_listening(settings.host, self.http_port, shared=shared) for _ in range(settings.workers)]
        # Held, not listened on: nobody else can take the port that the processes share.
        held = _bound(settings.host, settings.grpc_port, shared=True) if shared and settings.grpc_port else None
        log.info("predictor.serving port=%d processes=%d", self.http_port, settings.workers)
        if shared:
            restarted = self._model.metrics.restarted
            Workers(
                self._sockets, self._run, heartbeats=self._heartbeats, restarted=restarted, grace=GRACE + settings.drain
            ).run()
        else:
            self._run(0)
        if held is not None:
            held.close()

    def _prepare(self) -> None:
        """KServe's application and uvicorn's server, once for all processes."""
        self._rest_server = RESTServer(
            kserve.model_server.FASTAPI_APP_IMPORT_STRING,
            self.dataplane,
            self.model_repository_extension,
            self.http_port,
            access_log_format=self.access_log_format,
            grace_period=self.grace_period,
            timeout_keep_alive=self.timeout_keep_alive,
            ssl_certfile=self.ssl_certfile,
            ssl_keyfile=self.ssl_keyfile,
        )
        self._rest_server.create_application()
        config: Any = self._rest_server.config
        self._edge = config.app = Edge(self._model, kserve.model_server.app)
        config.http = Connection
        config.ws, config.lifespan, config.server_header = "none", "off", False

    def _run(self, process: int) -> None:
        """Serve in this process until SIGTERM."""
        self._model.metrics.attach(process)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve_process(process))

    async def _serve_process(self, process: int) -> None:
        server: Any = self._rest_server._server
        server.capture_signals = contextlib.nullcontext  # ours are on the event loop
        site = self._site(server)
        server.config.site = site
        grpc_server = self._grpc()
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, told.set)
        pulse = asyncio.create_task(self._pulse(process, site))
        serving = asyncio.create_task(server.serve(sockets=[]))
        acceptor = await self._accept(server, self._sockets[process])
        if grpc_server is not None:
            await grpc_server.start()
        log.info("predictor.ready process=%d", process)
        await asyncio.wait([serving, leaving := asyncio.create_task(told.wait())], return_when=asyncio.FIRST_COMPLETED)
        await self._drain(site)
        acceptor.close()
        server.should_exit = True
        if grpc_server is not None:
            await grpc_server.stop()
        await serving
        leaving.cancel()
        pulse.cancel()

    async def _accept(self, server: Any, listening: socket.socket) -> Acceptor:
        """Take connections for uvicorn, once it is up."""
        while not server.started:
            await asyncio.sleep(0)
        config, state = server.config, server.server_state
        app_state = server.lifespan.state
        return Acceptor(
            listening,
            lambda: Connection(config=config, server_state=state, app_state=app_state),
            accepted=self._model.engine.give_way,
            tls=config.ssl,
        )

    async def _drain(self, site: Site) -> None:
        """Not ready from now on, but serving whoever has not heard of it yet."""
        log.info("predictor.stopping drain=%g", self._settings.drain)
        self._model.ready = False
        site.stopping = True
        await asyncio.sleep(self._settings.drain)

    async def _pulse(self, process: int, site: Site) -> None:
        """Show that the event loop turns, and cut the connections whose time is over."""
        loop = asyncio.get_running_loop()
        interval = min(BEAT, site.wire.receive_timeout / 4)
        while True:
            self._heartbeats.beat(process)
            site.sweep(loop.time())
            await asyncio.sleep(interval)

    def _site(self, server: Any) -> Site:
        settings = self._settings
        descriptors = _all_descriptors() - _SPARE_DESCRIPTORS
        return Site(
            engine=self._model.open(),
            metrics=self._model.metrics,
            served=self._model.served,
            routes=routes(self._model.served),
            probes={b"/v2/health/live": self._edge.liveness, b"/v2/health/ready": self._edge.readiness},
            wire=Wire(
                max_body=settings.max_body,
                max_headers=settings.max_headers,
                receive_timeout=settings.receive_timeout,
                keep_alive=settings.keep_alive,
                connections=min(settings.max_connections, descriptors),
                max_held=settings.max_held,
            ),
            state=server.server_state,
        )

    def _grpc(self) -> GrpcServer | None:
        settings = self._settings
        if settings.grpc_port is None:
            return None
        return GrpcServer(
            Service(self._model, self.dataplane.metadata),
            address=f"{settings.host}:{settings.grpc_port}",
            max_message=settings.max_message,
            receive_timeout=settings.receive_timeout,
            grace=GRACE,
            shared=settings.workers > 1,
        )


def routes(served: Served) -> Mapping[bytes, Form]:
    """Request targets of predictions."""
    v1_path, v2_path = f"/v1/models/{served.model}", f"/v2/models/{served.model}"
    version = f"/versions/{served.version}"
    forms: dict[str, Form] = {
        f"{v1_path}:predict": v1.FORM,
        f"{v1_path}{version}:predict": v1.FORM,
        f"{v2_path}/infer": v2.FORM,
        f"{v2_path}{version}/infer": v2.FORM,
        "/predict": plain.SINGLE,
        "/predict/batch": plain.BATCH,
    }
    return {path.encode(): form for path, form in forms.items()}


def check_port(host: str, port: int, flag: str) -> None:
    """Raise PortTaken unless the port can be opened now, by nobody else."""
    try:
        _bound(host, port, shared=False).close()
    except OSError as error:
        words = f"cannot be opened ({error.strerror}), choose another port with {flag}"
        raise PortTaken(f"{host}:{port}: {words}") from None


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def _listening(host: str, port: int, *, shared: bool) -> socket.socket:
    made = _bound(host, port, shared=shared)
    made.listen(_BACKLOG)
    made.setblocking(False)
    return made


def _all_descriptors() -> int:
    """Open files this process may have, after it has asked for all that it may ask for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def quiet_logs() -> None:
    """One line for what happens to the server, none for a request. A file given with --log_config_file comes on top."""
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # KServe's choice, once per process
    logging.basicConfig(format=_FORMAT, level=logging.INFO)
    loggers = {
        "kserve": "WARNING",  # else a line for every gRPC call
        "kserve.trace": "WARNING",  # else two lines for every REST request
        "uvicorn": "WARNING",
    }
    for name, level in loggers.items():
        logging.getLogger(name).setLevel(level)
    if kserve.model_server.args.log_config_file:
        kserve.logging.configure_logging(kserve.model_server.args.log_config_file)
