"""`python -m predictor`: verify a version, load it, then open the ports.

Exit codes: 0 stopped by a signal, 1 failure (a port is taken), 2 usage, 3 the version is refused.
"""

import asyncio
import logging
import os
import sys

from registry.domain.errors import RegistryError

FAILED, REFUSED = 1, 3


def main() -> int:
    """Serve until a signal; refuse with one line on stderr."""
    from predictor.settings import parse

    settings = parse(sys.argv[1:], os.environ)

    from prometheus_client import disable_created_metrics

    from predictor.errors import PortTaken
    from predictor.metrics import Metrics
    from predictor.model import GeometryModel
    from predictor.served import open_version
    from predictor.server import Server, quiet_logs

    quiet_logs()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in its package
    try:
        served = open_version(settings.model_dir, settings.trust, model=settings.model_name, digest=settings.digest)
        model = GeometryModel(served, Metrics(served), max_images=settings.max_images, threads=settings.threads)
        model.load()
    except RegistryError as error:
        print(f"predictor: {error}", file=sys.stderr)
        return REFUSED
    logging.getLogger("predictor").info(
        "predictor.loaded model=%s version=%s digest=%s", served.model, served.version, served.digest
    )
    use_uvloop()
    try:
        Server(model, settings).start([model])
    except PortTaken as error:
        print(f"predictor: {error}", file=sys.stderr)
        return FAILED
    return 0


def use_uvloop() -> None:
    """KServe's --event-loop has no effect with one worker: it runs the loop that the policy makes."""
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


if __name__ == "__main__":
    sys.exit(main())
