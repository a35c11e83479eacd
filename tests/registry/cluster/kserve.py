"""KServe, the kubelet and Envoy Gateway for the fake API server: revisions become pods that answer real HTTP.

`Cluster.turn` lets all of them act once. A pod keeps its identity as long as name and template of its revision stay,
as it does with KServe; `broken` revisions get pods that never become ready.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from predictor.errors import REASONS
from predictor.metrics import CONFIDENCE, ERRORS, LATENCY, LOW_CONFIDENCE
from predictor.tally import LATENCY_EDGES
from tests.registry.cluster.server import Answered, Object, Server, listening

PATIENCE = 5
"""Turns for which an autoscaler remembers that more pods were wanted."""


@dataclass
class Pod:
    """One pod. digest: what it says it serves. counts: of live requests."""

    name: str
    service: str
    app: str
    template: str
    url: str
    digest: str
    ready: bool = True
    restarts: int = 0
    good: int = 0
    bad: int = 0
    version: str = ""
    model: str = ""
    status: Object = field(default_factory=dict)
    outcomes: list[Object] = field(default_factory=list)
    silent: bool = False


@dataclass
class Cluster:
    """slow: revisions whose pods are made and not ready yet. deaf: the gateway takes no new route."""

    server: Server
    pods: dict[str, Pod] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    deaf: bool = False
    history: list[tuple[dict[str, int], dict[str, int]]] = field(default_factory=list)
    envoy: dict[str, int] = field(default_factory=dict)
    _lately: dict[str, list[int]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.server.admit = admit
        self.envoy_url = self._stack.enter_context(listening(_proxy(self)))

    def close(self) -> None:
        self._stack.close()

    def turn(self) -> None:
        """Revisions get their pods, the gateway takes routes, and what both are then is remembered."""
        for service in list(self.server.objects["inferenceservices"].values()):
            self._reconcile(service)
        for name in {pod.service for pod in self.pods.values()} - self.server.objects["inferenceservices"].keys():
            for pod in [pod for pod in self.pods.values() if pod.service == name]:
                self._drop(pod)
        for pod in self.pods.values():
            self._show(pod)
        self._slices()
        if not self.deaf:
            self._accept()
        self.history.append((self.weights(), self.ready()))

    def weights(self, route: str = "shapes") -> dict[str, int]:
        """Percent by revision as written; who has a trace of the requests has 0."""
        shares = self.shares(route)
        unit = 10_000 if sum(shares.values()) == 1_000_000 else 1
        return {name: round(share / unit) for name, share in shares.items()}

    def shares(self, route: str = "shapes") -> dict[str, int]:
        """Weight by revision as written."""
        found = self.server.objects["httproutes"].get(route)
        backends = found["spec"]["rules"][0]["backendRefs"] if found else ()
        return {backend["name"].split("-predictor")[0]: backend["weight"] for backend in backends}

    def ready(self) -> dict[str, int]:
        """Ready pods by revision."""
        names = [pod.app for pod in self.pods.values() if pod.ready and pod.app not in self.slow]
        return {name: names.count(name) for name in names}

    def of(self, app: str) -> list[Pod]:
        return [pod for pod in self.pods.values() if pod.app == app]

    def _reconcile(self, service: Object) -> None:
        name, spec = service["metadata"]["name"], service["spec"]
        canaries = [canary["predictor"] for canary in spec.get("canary") or ()]
        wanted = {f"{name}-{found['name']}" for found in (spec["predictor"], *canaries)}
        for pod in [pod for pod in self.pods.values() if pod.service == name and pod.app not in wanted]:
            self._drop(pod)
        for canary in canaries:
            self._scale(name, spec["predictor"], canary, canary["minReplicas"])
        beside = sum(self.ready().get(f"{name}-{canary['name']}", 0) for canary in canaries)
        wanted_pods = max(spec["predictor"]["minReplicas"] - beside, 1)
        self._scale(name, spec["predictor"], spec["predictor"], self._autoscaled(name, wanted_pods))

    def _autoscaled(self, service: str, replicas: int) -> int:
        """What a stable revision is scaled to: up at once, down to what was enough for a while."""
        lately = self._lately.setdefault(service, [])
        lately.append(replicas)
        return max(lately[-PATIENCE:])

    def _scale(self, service: str, stable: Object, predictor: Object, replicas: int) -> None:
        app = f"{service}-{predictor['name']}"
        template = json.dumps({**stable, **predictor, "minReplicas": 0, "maxReplicas": 0, "model": model_of(predictor)})
        for pod in self.of(app):
            if pod.template != template:
                self._drop(pod)
        while len(self.of(app)) > replicas:
            self._drop(self.of(app)[-1])
        while len(self.of(app)) < replicas:
            self._start(service, app, template, predictor)
        scaler = {"metadata": {"name": f"{app}-predictor", "labels": {}}, "spec": {"minReplicas": replicas}}
        self.server.store("horizontalpodautoscalers", scaler)

    def _start(self, service: str, app: str, template: str, predictor: Object) -> None:
        digest = next(found["value"] for found in predictor["model"]["env"] if found["name"] == "MODEL_DIGEST")
        *_, model, version = predictor["model"]["storageUri"].split("/")
        pod = Pod(f"{app}-{next(self._numbers)}", service, app, template, "", digest, version=version, model=model)
        pod.url = self._stack.enter_context(listening(_predictor(pod)))
        self.pods[pod.name] = pod

    def _drop(self, pod: Pod) -> None:
        del self.pods[pod.name]
        self.server.remove("pods", pod.name)

    def _show(self, pod: Pod) -> None:
        port, labels = int(pod.url.rpartition(":")[2]), {"serving.kserve.io/inferenceservice": pod.service}
        container = {"name": "kserve-container", "ports": [{"name": "http1", "containerPort": port}]}
        told = {"name": "kserve-container", "restartCount": pod.restarts, "state": {"running": {}}}
        self.server.store(
            "pods",
            {
                "metadata": {"name": pod.name, "labels": {**labels, "app": f"isvc.{pod.app}-predictor"}},
                "spec": {"containers": [container]},
                "status": {"podIP": "127.0.0.1", "containerStatuses": [told], **pod.status},
            },
        )

    def _slices(self) -> None:
        apps = {pod.app for pod in self.pods.values()}
        for name in [name for name in self.server.objects["endpointslices"] if name not in apps]:
            self.server.remove("endpointslices", name)
        for app in apps:
            endpoints = [
                {"targetRef": {"name": pod.name}, "conditions": {"ready": pod.ready and app not in self.slow}}
                for pod in self.of(app)
            ]
            labels = {"kubernetes.io/service-name": f"{app}-predictor"}
            self.server.store("endpointslices", {"metadata": {"name": app, "labels": labels}, "endpoints": endpoints})

    def _accept(self) -> None:
        for name, route in list(self.server.objects["httproutes"].items()):
            told = {"type": "Accepted", "status": "True", "observedGeneration": route["metadata"]["generation"]}
            self.server.edit(
                "httproutes", name, lambda made, told=told: made.update(status={"parents": [{"conditions": [told]}]})
            )


def model_of(predictor: Object) -> Object:
    return {key: value for key, value in predictor["model"].items() if value != ""}


def admit(new: Object, old: Object | None) -> None:
    """KServe's webhook: rules 3, 4, 7 and 8 of its InferenceServices."""
    if new["kind"] != "InferenceService":
        return
    stable, canaries = new["spec"]["predictor"], new["spec"].get("canary") or ()
    names = [stable["name"], *(canary["predictor"]["name"] for canary in canaries)]
    if len(set(names)) < len(names):
        raise Answered(400, "canary names must be unique")
    if sum(canary["trafficPercent"] for canary in canaries) > 100:
        raise Answered(400, "trafficPercent above 100")
    if any(canary["predictor"]["minReplicas"] > stable["minReplicas"] for canary in canaries):
        raise Answered(400, "canary minReplicas above stable")
    before = old["spec"]["predictor"] if old else stable
    same = before["model"]["storageUri"] == stable["model"]["storageUri"]
    if before["name"] != stable["name"] and same:
        raise Answered(400, "predictor.name changes without storageUri")


def _predictor(pod: Pod) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if pod.silent:
                self.close_connection = True
                return
            body = b"{}"
            if self.path == "/metrics":
                body = metrics(pod).encode()
            elif self.path.startswith("/outcomes"):
                page = {"cursor": str(len(pod.outcomes)), "lost": 0, "outcomes": pod.outcomes}
                body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("x-model-digest", pod.digest)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    return Handler


def _proxy(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines: list[str] = []
            for name, errors in cluster.envoy.items():
                lines.append(f'envoy_cluster_upstream_rq_timeout{{envoy_cluster_name="{name}"}} 0')
                own = f'{{envoy_response_code_class="5",envoy_cluster_name="{name}"}}'
                lines.append(f"envoy_cluster_upstream_rq_xx{own} {errors}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(("\n".join(lines) + "\n").encode())

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    return Handler


def metrics(pod: Pod) -> str:
    """What a predictor exposes of live requests."""
    own = f'model="{pod.model}",traffic="live",version="{pod.version}"'
    return "".join(
        [
            f"process_start_time_seconds {pod.restarts}\n",
            *(f'{LATENCY}_bucket{{le="{edge}",{own}}} {pod.good}.0\n' for edge in (*LATENCY_EDGES, "+Inf")),
            f"{CONFIDENCE}_count{{{own}}} {pod.good}.0\n{LOW_CONFIDENCE}{{{own}}} 0.0\n",
            f"{LATENCY}_count{{{own}}} {pod.good}.0\n",
            *(
                f'{ERRORS}{{{own},reason="{reason}"}} {pod.bad if reason == "internal" else 0}.0\n'
                for reason in REASONS
            ),
        ]
    )
