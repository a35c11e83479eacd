"""Pictures, and what the net says of them without a server: every client of every protocol has to be told the same."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from numpy.typing import NDArray

from predictor.image import decode
from predictor.served import Served
from tests.fixtures.net import SIZE, Net, picture
from tests.predictor.conftest import RunningServer
from tests.predictor.protocols.answers import HEADERS, Answer

MOST = 64  # images a request

Right = Callable[..., None]


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """As many image files as a request may bring, each another picture."""
    return [picture(seed, "JPEG" if seed % 2 else "PNG") for seed in range(MOST)]


@pytest.fixture(scope="session")
def texts(pictures: list[bytes]) -> list[str]:
    """The same in base64."""
    return [base64.b64encode(file).decode() for file in pictures]


@pytest.fixture(scope="session")
def pixels(pictures: list[bytes]) -> NDArray[np.uint8]:
    """The same decoded."""
    return np.stack([decode(file, width=SIZE, height=SIZE) for file in pictures])


@pytest.fixture(scope="session")
def right(served: Served, pixels: NDArray[np.uint8]) -> Right:
    """Is this what the net says of the first `images` pictures, and does it name who answered?"""
    net = Net(served.net).of_pixels(pixels)

    def check(answer: Answer, images: int = 1) -> None:
        wanted = net[:images]
        np.testing.assert_allclose(answer.probabilities, wanted, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(answer.confidence, wanted.max(1), rtol=1e-5)
        assert answer.classes == [served.classes[winner] for winner in wanted.argmax(1)]
        assert (answer.version, answer.digest) == (served.version, served.digest)
        if answer.headers is not None:
            version, digest, request_id = (answer.headers[name] for name in HEADERS)
            assert (version, digest) == (served.version, served.digest)
            assert request_id

    return check


@pytest.fixture
def file(pictures: list[bytes], tmp_path: Path) -> Path:
    """The first picture as a file, a PNG."""
    path = tmp_path / "x.png"
    path.write_bytes(pictures[0])
    return path


@pytest.fixture
def stub(server: RunningServer) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        yield GRPCInferenceServiceStub(channel)
