"""`python -m predictor`: verify a version, load it, then open the ports.

Exit codes: 0 stopped by a signal, 1 failure (a port is taken), 2 usage, 3 the version is refused.
"""

import asyncio
import logging
import os
import sys

import uvloop
from prometheus_client import disable_created_metrics

from predictor.errors import PortTaken
from predictor.metrics import Metrics
from predictor.model import GeometryModel
from predictor.served import open_version
from predictor.server import Server, quiet_logs
from predictor.settings import Settings, parse
from registry.domain.errors import RegistryError

FAILED, REFUSED = 1, 3

log = logging.getLogger("predictor")


def main() -> int:
    """Serve until a signal; refuse with one line on stderr."""
    settings = parse(sys.argv[1:], os.environ)
    quiet_logs()
    try:
        serve(settings)
    except (RegistryError, PortTaken) as error:
        print(f"predictor: {error}", file=sys.stderr)
        return FAILED if isinstance(error, PortTaken) else REFUSED
    return 0


def serve(settings: Settings) -> None:
    """Raises RegistryError before the version is loaded, PortTaken before a port is open."""
    served = open_version(
        settings.model_dir,
        settings.trust,
        model=settings.model_name,
        digest=settings.digest,
        variant=settings.variant,
    )
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in its package
    model = GeometryModel(served, Metrics(served), max_images=settings.max_images, threads=settings.threads)
    model.load()
    log.info(
        "predictor.loaded model=%s version=%s digest=%s variant=%s",
        served.model,
        served.version,
        served.digest,
        served.variant,
    )
    # KServe's --event-loop has no effect with one worker: it runs the loop that the policy makes.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    Server(model, settings).start([model])


if __name__ == "__main__":
    sys.exit(main())
