"""What the operator makes of a PodMonitor: the part of Prometheus's configuration that finds its targets.

As in the operator's own generator: pods of the namespaces, kept by labels and by the name of a port, then the monitor's
relabelling. Pods are given as Kubernetes' discovery tells of them, because Debian's Prometheus comes without it. So a
Prometheus without an operator can prove that monitors find pods.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]


def scrape_config(monitor: Object, pods: Iterable[Object]) -> Object:
    """One entry of `scrape_configs`. pods: all of the cluster."""
    spec = monitor["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    namespaces = spec["namespaceSelector"]
    name = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
    seen = [pod for pod in pods if namespaces.get("any") or pod["metadata"]["namespace"] in namespaces["matchNames"]]
    found: Object = {
        "job_name": name,
        "scrape_interval": endpoint["interval"],
        "metrics_path": endpoint["path"],
        "static_configs": [target for pod in seen for target in discovered(pod)],
        "relabel_configs": [
            {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)"},
            *_selected(spec["selector"]),
            {
                "action": "keep",
                "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                "regex": re.escape(endpoint["port"]),
            },
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_container_name"], "target_label": "container"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
            {"target_label": "job", "replacement": name},
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *(_snake(rule) for rule in endpoint["relabelings"]),
        ],
    }
    if "metricRelabelings" in endpoint:
        found["metric_relabel_configs"] = [_snake(rule) for rule in endpoint["metricRelabelings"]]
    return found


def discovered(pod: Object) -> Iterator[Object]:
    """A target per port of each container, with what Kubernetes' discovery says of it."""
    labels = {_label(key): value for key, value in pod["metadata"].get("labels", {}).items()}
    told = {
        "__meta_kubernetes_namespace": pod["metadata"]["namespace"],
        "__meta_kubernetes_pod_name": pod["metadata"]["name"],
        "__meta_kubernetes_pod_phase": pod["status"]["phase"],
        **{f"__meta_kubernetes_pod_label_{key}": value for key, value in labels.items()},
        **{f"__meta_kubernetes_pod_labelpresent_{key}": "true" for key in labels},
    }
    for box in pod["spec"]["containers"]:
        for port in box.get("ports", ()):
            own = {
                "__meta_kubernetes_pod_container_name": box["name"],
                "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
            }
            address = f"{pod['status'].get('podIP', '127.0.0.1')}:{port['containerPort']}"
            yield {"targets": [address], "labels": {**told, **own}}


def _label(key: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "_", key)


def _selected(selector: Object) -> list[Object]:
    exact = [
        ({"operator": "In", "key": key, "values": [value]}) for key, value in selector.get("matchLabels", {}).items()
    ]
    kept = []
    for rule in (*exact, *selector.get("matchExpressions", ())):
        label = _label(rule["key"])
        there = f"__meta_kubernetes_pod_labelpresent_{label}"
        if rule["operator"] == "Exists":
            kept.append({"action": "keep", "source_labels": [there], "regex": "true"})
        else:
            values = "|".join(map(re.escape, rule["values"]))
            labels = [f"__meta_kubernetes_pod_label_{label}", there]
            kept.append({"action": "keep", "source_labels": labels, "regex": f"({values});true"})
    return kept


def _snake(rule: Object) -> Object:
    return {re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", key): value for key, value in rule.items()}
