"""Proofs run in memory: their files are real, and gone afterwards."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs.execution import MEMORY, Proof


@pytest.fixture(scope="session")
def proof() -> Iterator[Proof]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as root:
        yield Proof(Path(root))
