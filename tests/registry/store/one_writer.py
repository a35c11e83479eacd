"""Lets one writer run once, to be watched or disturbed; usage: one_writer.py WRITER DIRECTORY.

Ends with 3 when the system refused something, and prints nothing, so that every write seen is the writer's own.
"""

import sys
from pathlib import Path

from tests.registry.store.kill_writers import WRITERS

if __name__ == "__main__":
    try:
        WRITERS[sys.argv[1]][1](Path(sys.argv[2]))
    except OSError:
        sys.exit(3)
