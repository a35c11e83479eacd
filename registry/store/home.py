"""Where an installation keeps its things on one machine: the folder `.geometry/`, or what GEOMETRY_HOME names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.domain.version import Model, model_name
from registry.store.journal import JournalStore
from registry.store.keys import Trust, load_trust
from registry.store.labels import LabelSpool
from registry.store.versions import VersionStore, directories

DEFAULT = ".geometry"
VARIABLE = "GEOMETRY_HOME"


@dataclass(frozen=True)
class Home:
    """The parts of an installation, as paths below `root`."""

    root: Path

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def policy(self) -> Path:
        """Of a directory where there is one: a mounted file never changes, a file in a mounted directory does."""
        mounted = self.root / "policy" / "policy.yaml"
        return mounted if mounted.exists() else self.root / "policy.yaml"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """Held by the one controller."""
        return self.run / "controller.lock"

    @property
    def tracking_uri(self) -> str:
        """MLflow's database."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    def versions(self) -> VersionStore:
        return VersionStore(self.store)

    def journal_of(self, model: Model) -> JournalStore:
        return JournalStore(self.journal, model)

    def labels_of(self, model: Model) -> LabelSpool:
        return LabelSpool(self.root / "labels" / model)

    def journals(self) -> tuple[Model, ...]:
        """Names of models that have a journal, sorted; whatever else lies in the folder is none."""
        return tuple(Model(name) for name in directories(self.journal, model_name))

    def trust(self) -> Trust:
        """Raises NotFound or InvalidDocument."""
        return load_trust(self.keys)


def home(environment: Mapping[str, str], given: Path | None = None) -> Home:
    """The installation that was named, by option before variable before default. The path is absolute."""
    return Home((given or Path(environment.get(VARIABLE) or DEFAULT)).absolute())
