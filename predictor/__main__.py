"""`python -m predictor`: verify a version, load it, then open the ports.

Exit codes: 0 stopped by a signal, 1 failure (a port is taken), 2 usage, 3 the version is refused.
"""

import gc
import os
import sys

from predictor import unused

FAILED, REFUSED = 1, 3


def main() -> int:
    """Serve until a signal; refuse with one line on stderr."""
    # Threads of a library that multiplies no matrices here: they would only cost memory, and trouble at the fork.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # what is imported does not become garbage
    unused.leave_out()
    # Everything below imports KServe, which must find the stand-ins.
    from predictor.errors import PortTaken
    from predictor.program import serve
    from predictor.settings import parse
    from registry.domain.errors import RegistryError

    settings = parse(sys.argv[1:], os.environ)
    try:
        serve(settings)
    except (RegistryError, PortTaken) as error:
        print(f"predictor: {error}", file=sys.stderr)
        return FAILED if isinstance(error, PortTaken) else REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
