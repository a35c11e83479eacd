"""The parts of the serving program put together: settings → verified version → model → server."""

import logging

from predictor.metrics import Metrics
from predictor.model import GeometryModel
from predictor.query import Limits
from predictor.served import open_version
from predictor.server import Server, quiet_logs
from predictor.settings import Settings

log = logging.getLogger("predictor")


def serve(settings: Settings) -> None:
    """Serve until a signal. Raises RegistryError before the version is loaded, PortTaken before a port is open."""
    quiet_logs()
    served = open_version(
        settings.model_dir,
        settings.trust,
        model=settings.model_name,
        digest=settings.digest,
        variant=settings.variant,
    )
    limits = Limits(served.card.input, images=settings.max_images, pixels=settings.max_pixels)
    metrics = Metrics(served, processes=settings.workers)
    model = GeometryModel(served, metrics, limits, max_wait=settings.max_wait)
    model.load()
    log.info(
        "predictor.loaded model=%s version=%s variant=%s digest=%s",
        served.model,
        served.version,
        served.variant,
        served.digest,
    )
    Server(model, settings).start([model])
