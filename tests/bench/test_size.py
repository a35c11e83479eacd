"""What an installation brings: requirements are followed through extras, and only those that apply."""

from tests.bench.size import SERVING, USUAL, closure, megabytes


def test_the_closure_follows_requirements_and_extras():
    found = closure(SERVING)
    assert {"kserve", "fastapi", "starlette", "ai-edge-litert", "numpy"} <= found
    assert not {"tensorflow-cpu", "mlflow", "pytest"} & found


def test_a_closure_without_its_extra_is_smaller():
    assert closure(["uvicorn"]) < closure(["uvicorn[standard]"])


def test_what_serves_is_smaller_than_what_is_usual():
    assert 0 < megabytes(SERVING) < megabytes(USUAL)
