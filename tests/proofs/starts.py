"""Where executions begin: installations at rest, led there by an execution that nothing disturbed."""

import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from registry.domain.version import Model, Version
from registry.store.home import Home
from tests.fixtures.versions import publish_tiny, signing_key
from tests.proofs.cluster import Cluster
from tests.proofs.installation import OTHER, SHAPES, Installation, Wish
from tests.proofs.keeping import make_backup
from tests.proofs.machine import Machine
from tests.proofs.ways import promote

POLICY = """\
serving: {minReplicas: 1}
checklist: [{check: latency, required: false}]
rollout:
  steps: [{weight: 20, soak: 1}, {weight: 50, soak: 1}]
  beta: 0.5
  floors: {errors: 0.2, latency: 0.2, refused: 0.2, low_confidence: 0.2}
  warmup: 1
  deadline: 100
  rollbackWindow: 24
"""


@dataclass(frozen=True)
class Snapshot:
    """An installation at rest."""

    root: Path
    cluster: Cluster

    @property
    def production(self) -> Mapping[Model, Version]:
        """What serves."""
        found = self.cluster.services.items()
        return {model: version for model, service in found for version, weight in service.told.items() if weight == 100}

    def copy(self, root: Path) -> tuple[Home, Cluster]:
        """Its files under `root`, as further links: no file of an installation is ever changed in place."""
        shutil.copytree(self.root, root, copy_function=_link)
        return Home(root), deepcopy(self.cluster)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


class Starts:
    """Snapshots under `root`, each made when it is first wanted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[str, Snapshot] = {}

    def __getitem__(self, name: str) -> Snapshot:
        if name not in self._made:
            self._made[name] = _STARTS[name](self, self._root / name.replace(" ", "-"))
        return self._made[name]


def _empty(_starts: Starts, root: Path) -> Snapshot:
    signing_key(root)
    (root / "policy.yaml").write_text(POLICY)
    return Snapshot(root, Cluster())


def _served(*models: Model) -> Callable[[Starts, Path], Snapshot]:
    """Version 1 in production, 2 and 3 published."""

    def make(starts: Starts, root: Path) -> Snapshot:
        home, cluster = starts["empty"].copy(root)
        for model in models:
            for version in ("1", "2", "3"):
                publish_tiny(home.root, model=model, version=version)
        return _undisturbed(root, cluster, tuple(promote("1", model=model) for model in models))

    return make


def _second(starts: Starts, root: Path) -> Snapshot:
    """Version 2 in production, 1 before it."""
    _, cluster = starts["serving"].copy(root)
    return _undisturbed(root, cluster, (promote("2"),))


def _backed_up(starts: Starts, root: Path) -> Snapshot:
    """A backup of when version 1 was in production; now it is 2."""
    home, cluster = starts["serving"].copy(root)
    make_backup(home, cluster)
    return _undisturbed(root, cluster, (promote("2"),))


_STARTS: Mapping[str, Callable[[Starts, Path], Snapshot]] = {
    "empty": _empty,
    "serving": _served(SHAPES),
    "two models": _served(SHAPES, OTHER),
    "second": _second,
    "backed up": _backed_up,
}


def _undisturbed(root: Path, cluster: Cluster, wishes: tuple[Wish, ...]) -> Snapshot:
    Installation(Home(root), cluster, Machine(), wishes).run()
    return Snapshot(root, cluster)
