"""A real API server as tests speak to it: HTTP in somebody's name, and kubectl for what people apply."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

GROUP = "/apis/ml-geometry.io/v1alpha1"


@dataclass
class Api:
    """url: of the server. tokens: by person."""

    url: str
    tokens: Mapping[str, str]
    kubectl_program: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, timeout=30))

    def call(
        self, person: str, method: str, path: str, document: Any = None, *, content_type: str = "application/json"
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[person]}", "Content-Type": content_type}
        return self.client.request(method, self.url + path, headers=headers, json=document)

    def create(self, person: str, kind: str, spec: Mapping[str, Any], *, namespace: str) -> httpx.Response:
        """Create an object of our group with a name of the server's choice."""
        document = {
            "apiVersion": "ml-geometry.io/v1alpha1",
            "kind": kind,
            "metadata": {"generateName": f"{kind.lower()}-"},
            "spec": spec,
        }
        return self.call(person, "POST", f"{GROUP}/namespaces/{namespace}/{kind.lower()}s", document)

    def patch(
        self, person: str, created: httpx.Response, change: Mapping[str, Any], *, part: str = ""
    ) -> httpx.Response:
        """Merge `change` into an object that `create` made; part: `/status`."""
        made = created.json()
        place = f"namespaces/{made['metadata']['namespace']}/{made['kind'].lower()}s/{made['metadata']['name']}"
        return self.call(person, "PATCH", f"{GROUP}/{place}{part}", change, content_type="application/merge-patch+json")

    def kubectl(self, person: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        place = ("--server", self.url, "--token", self.tokens[person], "--insecure-skip-tls-verify")
        return subprocess.run(
            [self.kubectl_program, *place, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
        )
