"""helm comes from PATH, or from the folder that GEOMETRY_CLUSTER_BIN names."""

import pytest

from tests.manifests.conftest import program
from tests.monitoring.chart import Chart


@pytest.fixture(scope="session")
def helm() -> str:
    return program("helm")


@pytest.fixture(scope="session")
def chart(helm, tmp_path_factory) -> Chart:
    """A copy that can be rendered."""
    return Chart.copied(tmp_path_factory.mktemp("chart") / "monitoring", helm)
