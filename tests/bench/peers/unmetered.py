"""Our server with every call of its metrics doing nothing: what the metrics cost is the difference to the real one."""

import sys

import predictor.metrics


class Unmetered:
    """Stands where `predictor.metrics.Metrics` stands; has every method, and none does anything."""

    def __init__(self, *arguments, **named) -> None:
        pass

    def __getattr__(self, name):
        return _nothing


def _nothing(*arguments, **named) -> None:
    pass


if __name__ == "__main__":
    predictor.metrics.Metrics = Unmetered
    from predictor.__main__ import main

    sys.exit(main())
