"""helm comes from PATH, or from the folder that GEOMETRY_CLUSTER_BIN names."""

import pytest

from predictor.served import Served, open_version
from tests.fixtures.versions import publish_tiny
from tests.manifests.conftest import program
from tests.monitoring.chart import Chart


@pytest.fixture(scope="session")
def helm() -> str:
    return program("helm")


@pytest.fixture(scope="session")
def chart(helm, tmp_path_factory) -> Chart:
    """A copy that can be rendered."""
    return Chart.copied(tmp_path_factory.mktemp("chart") / "monitoring", helm)


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Served:
    """A version as a predictor has it open."""
    home = tmp_path_factory.mktemp("installation")
    publish_tiny(home)
    return open_version(home / "store/models/shapes/1", home / "keys", model=None, digest=None)
