"""Packages that KServe imports on its way up and a predictor never uses: half of the time and memory of a start.

Stand-ins take their names before KServe is imported. Their classes serve its annotations and its `isinstance` checks,
which are rightly false: no data frame, no Kubernetes client and no client of other servers exists in this process.
"""

import sys
from types import ModuleType

_PANDAS = ("pandas",)
_KUBERNETES = ("kubernetes", "kubernetes.client", "kubernetes.config", "kubernetes.watch")
_CLIENTS = ("httpx", "requests", "tabulate")


class _StandIn(ModuleType):
    """A package of which every name is an empty class."""

    def __init__(self, name: str) -> None:
        super().__init__(name, doc=__doc__)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


def leave_out() -> None:
    """Call it before KServe is imported; what was imported already stays."""
    for name in (*_PANDAS, *_KUBERNETES, *_CLIENTS):
        if name not in sys.modules:
            sys.modules[name] = _StandIn(name)
