"""Takes a substrate through turns over the fake cluster, with a clock that the test moves."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from kubernetes import client

from registry.adapters.cluster.api import Api
from registry.adapters.cluster.substrate import ClusterSubstrate
from registry.domain.journal import Anchor
from registry.domain.observation import ObservedRevision, ObservedRoute
from registry.domain.policy import Policy, Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import DEFAULT_MODEL, Version
from registry.manifests import read_templates
from tests.registry.cluster.kserve import Cluster
from tests.registry.cluster.server import Server

DIGESTS = {"1": "1" * 64, "2": "2" * 64, "3": "3" * 64}
NAMESPACE = "ml-geometry-dev"
START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Driver:
    """Takes turns as the controller does. sequence: of the journal's last entry."""

    cluster: Cluster
    server: Server
    policy: Policy = field(default_factory=lambda: policy(image="registry.example/predictor:1"))
    now: datetime = START
    sequence: int = 0
    revisions: dict[Version, ObservedRevision] = field(default_factory=dict)
    route: ObservedRoute | None = None

    def __post_init__(self) -> None:
        settings = client.Configuration(host=self.server.url)
        settings.retries = 0
        api = Api(client.ApiClient(settings), NAMESPACE)
        self.substrate = ClusterSubstrate(api, templates=read_templates(), policy=lambda: self.policy)

    def again(self) -> "Driver":
        """Another controller, which remembers nothing."""
        return Driver(self.cluster, self.server, self.policy, self.now, self.sequence)

    def turn(self, release: Release, times: int = 1) -> None:
        """The substrate acts, then the cluster does, a second later."""
        for _ in range(times):
            self.look()
            self.substrate.apply([release], self.now)
            self.cluster.turn()
            self.now += timedelta(seconds=1)

    def look(self) -> None:
        self.substrate.anchor(DEFAULT_MODEL)
        revisions, self.route = self.substrate.observe(DEFAULT_MODEL, self.now)
        self.revisions = dict(revisions)

    def release(self, stable: str | None, *canaries: str, staging: str | None = None, pods: int = 2) -> Release:
        """`release("1:90", "2:10:1")`: versions with weight and pods; every release follows from a newer entry."""
        self.sequence += 1
        made = [revision(text, pods) for text in (*([stable] if stable else ()), *canaries)]
        return Release(
            model=DEFAULT_MODEL,
            stable=made[0] if stable else None,
            canaries=tuple(made[1:]),
            staging=revision(f"{staging}:0:1", 1) if staging else None,
            anchor=Anchor(self.sequence, f"{self.sequence:064x}"),
        )

    def serve(self, *shown: str, **more: object) -> Release:
        """Go on with a release until it is what the cluster is."""
        found = self.release(*shown, **more)  # type: ignore[arg-type]
        self.turn(found, 9)
        return found


def revision(text: str, pods: int) -> RevisionRelease:
    version, weight, *rest = text.split(":")
    replicas = int(rest[0]) if rest else pods
    made = RevisionRelease(Version(version), DIGESTS[version], 0, replicas)
    return replace(made, mirror=int(weight[1:])) if weight.startswith("m") else replace(made, weight=int(weight))


def policy(*, image: str) -> Policy:
    return Policy(serving=Serving(image=image))
