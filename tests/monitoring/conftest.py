"""Programs of Prometheus that the tests of rules and alerts need, as Debian has them."""

import shutil

import pytest


@pytest.fixture(scope="session")
def program():
    """Where a program is; skips, saying what to install, where it is not."""

    def found(name: str) -> str:
        path = shutil.which(name) or shutil.which(f"prometheus-{name}")  # as Debian calls some of them
        if path is None:
            package = "prometheus-alertmanager" if name in ("alertmanager", "amtool") else "prometheus"
            pytest.skip(f"{name} is not installed: nothing here was checked (`apt-get install {package}`)")
        return path

    return found
