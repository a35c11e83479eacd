"""What takes many minutes runs only when it is asked for; plain `pytest` leaves it out."""

import pytest

ASKED_FOR = {
    "chaos": "kill processes at seeded moments of rollouts, for half an hour (`make chaos`)",
    "cluster": "start a Kubernetes API server, or use a kind cluster (`make test-cluster`)",
    "monitoring": "break a served model under Prometheus and Alertmanager, for ten minutes (`make test-monitoring`)",
    "conformance": "ask thousands of generated questions instead of hundreds, for some minutes (`make conformance`)",
    "prove": "enumerate crashes, races and promotions by the thousand, for many minutes (`make prove`)",
    "readme": "run every command of the README in a clean clone, for ten minutes (`pytest --readme`)",
}

LONG = (
    "tests/chaos/test_killed.py",
    "tests/training/test_run.py",
    "tests/proofs/test_sample.py",
    "tests/statistics/test_simulation.py",
    "tests/registry/cli/test_split.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, purpose in ASKED_FOR.items():
        parser.addoption(f"--{name}", action="store_true", help=f"Also {purpose}.")


def pytest_configure(config: pytest.Config) -> None:
    for name, purpose in ASKED_FOR.items():
        config.addinivalue_line("markers", f"{name}: {purpose}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unasked = [name for name in ASKED_FOR if not config.getoption(f"--{name}")]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unasked)]
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = sorted((item for item in items if item not in gone), key=_turn)


def _turn(item: pytest.Item) -> bool:
    """Files of minutes begin first, so that no process is left with one at the end."""
    return not item.nodeid.startswith(LONG)
