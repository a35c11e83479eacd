"""The parts of the serving program put together: settings → verified version → model → server."""

import ctypes
import logging
import sys

from predictor.metrics import Metrics
from predictor.model import GeometryModel
from predictor.query import Limits
from predictor.served import open_version
from predictor.server import Server, quiet_logs
from predictor.settings import Settings

_M_MMAP_THRESHOLD = -3

log = logging.getLogger("predictor")


def serve(settings: Settings) -> None:
    """Serve until a signal. Raises RegistryError before the version is loaded, PortTaken before a port is open."""
    quiet_logs()
    _give_back_memory()
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


def _give_back_memory() -> None:
    """Tell glibc to return every block of a megabyte when it is freed.

    By itself it keeps more and more of what large pictures needed: its threshold grows with what is freed.
    """
    library = ctypes.CDLL(None)
    if sys.platform == "linux" and hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, 1 << 20)
