"""What the operator makes of a PodMonitor: the part of Prometheus's configuration that finds its targets.

As in the operator's own generator: pods of the namespaces, kept by labels and by the name of a port, then the monitor's
relabelling. So a Prometheus without an operator can prove that monitors find pods.
"""

import re
from typing import Any

Object = dict[str, Any]


def scrape_config(monitor: Object) -> Object:
    """One entry of `scrape_configs`."""
    spec = monitor["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    namespaces = spec["namespaceSelector"]
    discovery: Object = {"role": "pod"}
    if not namespaces.get("any"):
        discovery["namespaces"] = {"names": namespaces["matchNames"]}
    found: Object = {
        "job_name": f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}",
        "scrape_interval": endpoint["interval"],
        "metrics_path": endpoint["path"],
        "kubernetes_sd_configs": [discovery],
        "relabel_configs": [
            *_selected(spec["selector"]),
            {
                "action": "keep",
                "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                "regex": re.escape(endpoint["port"]),
            },
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_container_name"], "target_label": "container"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
            {"target_label": "job", "replacement": f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"},
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *(_snake(rule) for rule in endpoint["relabelings"]),
        ],
    }
    if "metricRelabelings" in endpoint:
        found["metric_relabel_configs"] = [_snake(rule) for rule in endpoint["metricRelabelings"]]
    return found


def _selected(selector: Object) -> list[Object]:
    exact = [
        ({"operator": "In", "key": key, "values": [value]}) for key, value in selector.get("matchLabels", {}).items()
    ]
    kept = []
    for rule in (*exact, *selector.get("matchExpressions", ())):
        label = re.sub(r"[^a-zA-Z0-9]", "_", rule["key"])
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
