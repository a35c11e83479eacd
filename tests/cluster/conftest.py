"""The cluster that `make kind-up` makes, or another: GEOMETRY_CONTEXT, GEOMETRY_NAMESPACE, GEOMETRY_GATEWAY and
GEOMETRY_HOST name it."""

import os
import shutil
import subprocess

import pytest

from tests.cluster.installation import Installation


@pytest.fixture(scope="session")
def installation() -> Installation:
    """A running installation that serves a model; the tests are skipped, saying what to do, where there is none."""
    named = os.environ.get
    found = Installation(
        context=named("GEOMETRY_CONTEXT", "kind-geometry"),
        namespace=named("GEOMETRY_NAMESPACE", "ml-geometry-dev"),
        gateway=named("GEOMETRY_GATEWAY", "http://127.0.0.1:8080"),
        host=named("GEOMETRY_HOST", "shapes.localhost"),
    )
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not in PATH: install it")
    asked = ("--context", found.context, "--namespace", found.namespace, "--request-timeout=10s")
    ran = subprocess.run(["kubectl", *asked, "get", "httproute", "shapes"], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        pytest.skip(f"{found.context}, {found.namespace}: no model is served ({ran.stderr.strip()}): make kind-up")
    return found
