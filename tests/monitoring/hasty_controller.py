"""The controller whose ticks of drift are as much shorter as the rules' windows (`shortened.py`), over predictors whose
faults come and go."""

import sys

from registry.controller.__main__ import main
from registry.domain import drift
from tests.fixtures.bad_controller import BAD
from tests.monitoring.shortened import FACTOR

if __name__ == "__main__":
    drift.TICK /= FACTOR
    sys.exit(main(sys.argv[1:], predictor=(sys.executable, str(BAD))))
