"""A real API server with the questions of the fake one, so that the same tests are asked of both."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubernetes import client

from registry.adapters.cluster.api import Api as Adapter
from tests.manifests.api import Api

OVERLAY = "kustomize/overlays/dev"
NAMESPACE = "ml-geometry-dev"
GROUPS = {
    "promotions": "ml-geometry.io/v1alpha1",
    "approvals": "ml-geometry.io/v1alpha1",
    "models": "ml-geometry.io/v1alpha1",
    "events": "events.k8s.io/v1",
    "leases": "coordination.k8s.io/v1",
}
ACCOUNT = "system:serviceaccount:ml-geometry-dev:geometry-controller"


@dataclass
class RealApi:
    """The controller is its ServiceAccount, and may do no more than its Role says."""

    api: Api
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _token: str = field(default="")

    def admit_people(self) -> None:
        """ann and bob may promote and approve; returns once the admission policies are in force."""
        for person in ("ann", "bob"):
            for role in ("promoter", "approver", "viewer"):
                made = ("rolebinding", f"{person}-{role}", f"--role=geometry-{role}", f"--user={person}")
                self.api.kubectl("root", "-n", NAMESPACE, "create", *made)
        spec = {"action": "rollback", "model": "shapes", "requestedBy": "mallory"}
        for _ in range(300):
            if self.api.create("ann", "Promotion", spec, namespace=NAMESPACE).status_code == 403:
                break
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/geometry-controller/token"
        self._token = self.api.call("root", "POST", path, asked).json()["status"]["token"]

    def seen_by(self, person: str = "controller") -> Adapter:
        token = self._token if person == "controller" else self.api.tokens[person]
        settings = client.Configuration(host=self.api.url, api_key={"BearerToken": f"Bearer {token}"})
        settings.verify_ssl, settings.retries = False, False
        return Adapter(client.ApiClient(settings), NAMESPACE)

    def clear(self) -> None:
        """What earlier tests left."""
        for plural in ("promotions", "approvals", "models", "events", "leases"):
            self.api.call("root", "DELETE", self._path(plural))

    def get(self, plural: str, name: str) -> dict[str, Any]:
        return dict(self._asked("GET", self._path(plural, name)))

    def of(self, plural: str) -> list[dict[str, Any]]:
        return list(self._asked("GET", self._path(plural))["items"])

    def create(self, plural: str, made: dict[str, Any], group: str, user: str) -> dict[str, Any]:
        return dict(self._asked("POST", self._path(plural), {"apiVersion": group, **made}, user))

    def change(
        self, plural: str, name: str, part: str | None, change: Callable[[dict[str, Any]], dict[str, Any]], user: str
    ) -> dict[str, Any]:
        made = change(self.get(plural, name))
        return dict(self._asked("PUT", self._path(plural, name, part or ""), made, user))

    def delete(self, plural: str, name: str) -> None:
        self._asked("DELETE", self._path(plural, name))

    def _path(self, plural: str, *rest: str) -> str:
        root = f"/apis/{GROUPS[plural]}" if plural in GROUPS else "/api/v1"
        return "/".join(filter(None, (f"{root}/namespaces/{NAMESPACE}/{plural}", *rest)))

    def _asked(self, method: str, path: str, body: Any = None, user: str = "root") -> Any:
        answer = self.api.call(user, method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json()
