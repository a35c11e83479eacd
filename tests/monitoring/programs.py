"""Programs of Prometheus that the tests of rules and alerts need, as Debian has them."""

import shutil

import pytest


def program(name: str) -> str:
    """Where a program is; the test is skipped, saying what to install, where it is not."""
    found = shutil.which(name) or shutil.which(f"prometheus-{name}")  # as Debian calls some of them
    if found is None:
        package = "prometheus-alertmanager" if name in ("alertmanager", "amtool") else "prometheus"
        pytest.skip(f"{name} is not installed: nothing here was checked (`apt-get install {package}`)")
    return found
