from collections.abc import Iterator

import pytest

from tests.registry.cluster.driver import Driver
from tests.registry.cluster.kserve import Cluster
from tests.registry.cluster.server import Server, serving


@pytest.fixture
def driver() -> Iterator[Driver]:
    """A controller that was just started, over an empty cluster."""
    with serving(Server()) as server:
        cluster = Cluster(server)
        made = Driver(cluster, server)
        yield made
        made.substrate.stop(made.now)
        cluster.close()
