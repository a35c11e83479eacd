"""The locked requirements: complete, hashed, free of addresses, and installable on every Python that is promised."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(lock: Path) -> dict[Requirement, list[str]]:
    """Requirement → its hashes."""
    entries = re.split(r"(?<!\\)\n", lock.read_text().strip())
    return {
        Requirement(entry.split(" --hash")[0].replace("\\\n", "").strip()): HASH.findall(entry) for entry in entries
    }


def wanted(extra: str) -> Iterator[Requirement]:
    """What an extra asks for, extras of this project unfolded."""
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == PROJECT["project"]["name"]:
            for inner in requirement.extras:
                yield from wanted(inner)
        else:
            yield requirement


def locked(lock: Path, python: str) -> dict[str, str]:
    """Name → version on Linux, x86-64."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    environment |= {"platform_machine": "x86_64", "platform_system": "Linux"}
    return {
        canonicalize_name(pin.name): str(next(iter(pin.specifier)).version)
        for pin in pins(lock)
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def test_every_extra_has_its_lock():
    assert {lock.stem for lock in LOCKS} == {*EXTRAS, "build", "dev", "bench"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_names_an_address(lock):
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted-host", lock.read_text())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_is_exact_and_hashed(lock):
    for pin, hashes in pins(lock).items():
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin
        assert hashes, pin


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_satisfied_by_its_lock(extra, python):
    found = locked(ROOT / "requirements" / f"{extra}.txt", python)
    for requirement in wanted(extra):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert found[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("python", PYTHONS)
def test_the_development_lock_holds_every_extra_and_the_tools(python):
    found = locked(ROOT / "requirements" / "dev.txt", python)
    tools = [Requirement(text) for text in PROJECT["dependency-groups"]["dev"]]
    assert all(found[canonicalize_name(tool.name)] in tool.specifier for tool in tools)
    for extra in EXTRAS:
        assert locked(ROOT / "requirements" / f"{extra}.txt", python).items() <= found.items()


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_of_the_benchmark_adds_its_servers_and_changes_nothing(python):
    found = locked(ROOT / "requirements" / "bench.txt", python)
    servers = [Requirement(text) for text in PROJECT["dependency-groups"]["bench"]]
    assert all(found[canonicalize_name(server.name)] in server.specifier for server in servers)
    assert locked(ROOT / "requirements" / "dev.txt", python).items() <= found.items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_python_gets_the_same_versions(lock):
    """What is checked on one Python is what runs on another."""
    assert len({tuple(locked(lock, python).items()) for python in PYTHONS}) == 1


def test_every_pin_accepts_every_python():
    """pip refuses a distribution whose own bound excludes the interpreter; uv resolves past it."""
    found = locked(ROOT / "requirements" / "dev.txt", "3.11")
    for distribution in distributions():
        if found.get(canonicalize_name(distribution.name)) == distribution.version:
            bound = SpecifierSet(distribution.metadata.get("Requires-Python") or "")
            assert all(f"{python}.1" in bound for python in PYTHONS), distribution.name
