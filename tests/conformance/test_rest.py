"""The Open Inference Protocol's REST description against the running server, with schemathesis.

Cases that follow the description and cases that break it: statuses, content types and bodies of the answers have to
be the described ones, what breaks the description has to be refused, and no answer may be a 5xx.
"""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis.openapi
import yaml
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS

from tests.conformance.conftest import CASES, cases
from tests.predictor.conftest import RunningServer

SCHEMA = schemathesis.openapi.from_dict(yaml.safe_load(Path(__file__).with_name("open_inference.yaml").read_text()))
INFER = SCHEMA.find_operation_by_id("infer")
OPERATIONS = {operation.path: operation for operation in (found.ok() for found in SCHEMA.get_all_operations())}
ADDRESS = {"model_name": "shapes", "model_version": "1"}
# A tensor that follows the description need not be an image, and a name need not be the model's: refusing is right.
NOT_ASKED = ("positive_data_acceptance",)
BOTH = st.sampled_from(list(GenerationMode)).flatmap

Ask = Callable[[Case], Any]


@pytest.fixture
def ask(server: RunningServer) -> Iterator[Ask]:
    excluded = [check for check in CHECKS.get_all() if check.__name__ in NOT_ASKED]

    def call(case: Case) -> Any:
        CASES["REST"] += 1
        return case.call_and_validate(base_url=server.url, session=session, excluded_checks=excluded, timeout=5)

    with requests.Session() as session:
        yield call


@pytest.mark.parametrize("path", OPERATIONS)
def test_every_boundary_of_the_description_is_answered_as_described(ask: Ask, path: str) -> None:
    """One case per bound and type of each field, and every method that the path does not have."""
    operation = OPERATIONS[path]
    generation = SCHEMA.config.generation
    for case in SCHEMA.iter_coverage_cases(
        operation=operation, generation_modes=list(GenerationMode), generation_config=generation
    ):
        if case.path_parameters and "model_name" in case.path_parameters:
            case.path_parameters = ADDRESS
        ask(case)


@pytest.mark.parametrize("path", [path for path in OPERATIONS if "{" in path])
def test_any_address_is_answered_as_described(ask: Ask, times: int, path: str) -> None:
    @cases(10 * times)
    @given(case=BOTH(OPERATIONS[path].as_strategy))
    def check(case: Case) -> None:
        ask(case)

    check()


def test_any_request_to_the_model_is_answered_as_described(ask: Ask, times: int) -> None:
    @cases(60 * times)
    @given(case=BOTH(INFER.as_strategy))
    def check(case: Case) -> None:
        case.path_parameters = ADDRESS
        ask(case)

    check()


def test_an_image_among_anything_is_answered_as_described(ask: Ask, times: int, png: bytes) -> None:
    """The tensor is a real one, what stands beside it is not: id, parameters, requested outputs."""
    data = [base64.b64encode(png).decode()]

    @cases(20 * times)
    @given(case=INFER.as_strategy(GenerationMode.POSITIVE), parameters=st.booleans())
    def check(case: Case, parameters: bool) -> None:
        case.path_parameters = ADDRESS
        tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": data}
        case.body = {**case.body, "inputs": [tensor]}
        if not parameters:
            case.body = {name: case.body[name] for name in ("id", "inputs") if name in case.body}
        answer = ask(case)
        if not parameters:
            assert answer.status_code == 200

    check()
