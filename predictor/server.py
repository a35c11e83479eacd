"""KServe's ModelServer with our two edges in the place of its own, and its logs made quiet."""

import logging
import socket
import warnings
from typing import Any

import kserve
import kserve.logging
import kserve.model_server

from predictor.edge import Edge
from predictor.errors import PortTaken
from predictor.model import GeometryModel
from predictor.rpc import GrpcServer, Service
from predictor.settings import Settings

# Seconds for requests in flight after SIGTERM.
GRACE = 30

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Server(kserve.ModelServer):  # type: ignore[misc]  # kserve ships no types
    """Serves one model over REST and gRPC until SIGTERM, then finishes what is in flight."""

    def __init__(self, model: GeometryModel, settings: Settings) -> None:
        # KServe reads its own flags itself. Its gRPC server is replaced, so it must not start one.
        super().__init__(enable_grpc=False, enable_latency_logging=False, grace_period=GRACE)
        self._model = model
        # KServe would claim its extension for loading and unloading, which does not exist here.
        metadata = {**self.dataplane.metadata(), "extensions": []}
        self.dataplane.metadata = lambda: metadata
        self._settings = settings

    def start(self, models: list[Any]) -> None:
        """Serve; returns after SIGTERM. Raises PortTaken before anything is opened."""
        ports = {"--http_port": self.http_port, "--grpc_port": self._settings.grpc_port}
        for flag, port in ports.items():
            if port is not None:
                check_port(self._settings.host, port, flag)
        super().start(models)

    def setup_event_loop(self) -> None:
        """Nothing: KServe would set up a loop here that `asyncio.run` then does not use."""

    async def _serve(self) -> None:
        """Put the edges in place, when KServe has made its servers and before they open a port."""
        config: Any = self._rest_server.config
        config.host = self._settings.host
        config.app = Edge(self._model, kserve.model_server.app, max_body=self._settings.max_body)
        if self._settings.grpc_port is not None:
            self._grpc_server = GrpcServer(
                Service(self._model, metadata=self.dataplane.metadata),
                self._model.served,
                address=f"{self._settings.host}:{self._settings.grpc_port}",
                max_message=self._settings.max_message,
                grace=GRACE,
            )
            self.servers.append(self._grpc_server.start())
        await super()._serve()


def check_port(host: str, port: int, flag: str) -> None:
    """Raise PortTaken unless the port can be opened now. Found out later, uvicorn would end the process at once."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            words = f"cannot be opened ({error.strerror}), choose another port with {flag}"
            raise PortTaken(f"{host}:{port}: {words}") from None


def quiet_logs() -> None:
    """One line for what happens to the server, none for a request. A file given with --log_config_file comes on top."""
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # KServe's choice, once per process
    logging.basicConfig(format=_FORMAT, level=logging.INFO)
    loggers = {
        "kserve": "WARNING",  # else a line for every gRPC call
        "kserve.trace": "WARNING",  # else two lines for every REST request
        "uvicorn.access": "WARNING",
    }
    for name, level in loggers.items():
        logging.getLogger(name).setLevel(level)
    if kserve.model_server.args.log_config_file:
        kserve.logging.configure_logging(kserve.model_server.args.log_config_file)
