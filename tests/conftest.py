"""Which tests run: those marked `chaos` take many minutes and run with `--chaos` alone."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos", action="store_true", help="Also run the tests that kill processes for many minutes.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--chaos"):
        return
    left_out = [item for item in items if item.get_closest_marker("chaos")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
