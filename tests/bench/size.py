"""What an extra brings into site-packages: the closure of its requirements among the installed distributions.

Sizes are those of the files that distributions list, compiled bytecode left out. Nothing is installed for it.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SERVING = ("ml-geometry[predictor]",)
USUAL = ("kserve", "tensorflow-cpu")
PROJECT = "ml-geometry"


def megabytes(wanted: Iterable[str]) -> float:
    """Of everything that an installation of `wanted` has, this project's own code left out."""
    return sum(_bytes(name) for name in closure(wanted) - {PROJECT}) / 1e6


def closure(wanted: Iterable[str]) -> set[str]:
    """Canonical names of all distributions that `wanted` and their requirements come to; all must be installed."""
    open_, seen = [(Requirement(text), "") for text in wanted], set()
    while open_:
        requirement, extra = open_.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for asked in ("", *requirement.extras):
            if (name, asked) not in seen:
                seen.add((name, asked))
                open_ += [(Requirement(text), asked) for text in distribution(name).requires or ()]
    return {name for name, _ in seen}


def _bytes(name: str) -> int:
    files = distribution(name).files
    if files is None:
        raise PackageNotFoundError(f"{name}: lists no files; install it from a wheel")
    paths = (file.locate() for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())
