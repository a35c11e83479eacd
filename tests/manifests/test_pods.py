"""Every pod of ours: restricted, bounded, probed, without a token, and with exactly the volumes it may see."""

import pytest

from tests.manifests.rendered import containers, files, manifest, pod_templates

PODS = {document["metadata"]["name"]: pod for document in files().values() for pod in pod_templates(document)}
CONTAINERS = {f"{name}/{box['name']}": (pod, box) for name, pod in PODS.items() for box in containers(pod)}
SERVERS = {name: box for name, (_, box) in CONTAINERS.items() if "ports" in box}
EVERY = pytest.mark.parametrize(("pod", "box"), CONTAINERS.values(), ids=CONTAINERS)
SERVING = pytest.mark.parametrize("box", SERVERS.values(), ids=SERVERS)

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
ALLOWED_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


@EVERY
@pytest.mark.parametrize(("field", "wanted"), RESTRICTED.items(), ids=RESTRICTED)
def test_a_container_is_restricted(pod, box, field, wanted):
    assert {**pod.get("securityContext", {}), **box["securityContext"]}[field] == wanted


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_has_nothing_of_its_host(pod):
    assert not [field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)]
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= ALLOWED_VOLUMES


@EVERY
def test_a_container_asks_for_what_it_needs_and_is_bounded(pod, box):
    for bound in ("requests", "limits"):
        assert set(box["resources"][bound]) == {"cpu", "memory"}


@EVERY
def test_what_a_container_writes_has_a_size(pod, box):
    assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)


@SERVING
def test_a_server_is_probed_and_leaves_its_endpoints_before_it_ends(box):
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(box)
    assert box["lifecycle"]["preStop"]["sleep"]["seconds"] > 0


@SERVING
def test_a_probe_asks_a_port_that_has_the_name(box):
    names = {port["name"] for port in box["ports"]}
    assert {box[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} <= names


def test_a_controller_that_waits_for_the_lease_is_not_started_again_however_long_it_waits():
    (box,) = PODS["geometry-controller"]["containers"]
    paths = {probe: box[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_the_controller_alone_has_a_token():
    assert {name for name, pod in PODS.items() if pod.get("automountServiceAccountToken")} == {"geometry-controller"}
    accounts = [found for found in files().values() if found["kind"] == "ServiceAccount"]
    assert len(accounts) == 4
    assert not any(account["automountServiceAccountToken"] for account in accounts)
    assert manifest("predictor/inferenceservice.yaml")["spec"]["predictor"]["automountServiceAccountToken"] is False


def holders(kind, name):
    """Pods that mount the claim, Secret or ConfigMap."""
    field = {"persistentVolumeClaim": "claimName", "secret": "name", "configMap": "name"}[kind]
    return {
        pod_name
        for pod_name, pod in PODS.items()
        for volume in pod["volumes"]
        for source in (volume, *volume.get("projected", {}).get("sources", ()))
        if source.get(kind, {}).get(field) == name
    }


def test_the_journal_is_mounted_by_the_controller_alone():
    assert holders("persistentVolumeClaim", "journal") == {"geometry-controller"}


def test_the_signing_key_is_only_where_versions_are_published():
    assert holders("secret", "geometry-signing") == {"geometry-train"}


def test_trust_is_where_versions_are_verified_or_published():
    assert holders("configMap", "geometry-trust") == {"geometry-controller", "geometry-train", "geometry"}


def test_predictors_see_the_store_through_kserve_alone():
    """KServe mounts a pvc:// storage read-only unless an annotation says otherwise."""
    assert holders("persistentVolumeClaim", "model-store") == {"geometry-controller", "geometry-train"}
    service = manifest("predictor/inferenceservice.yaml")
    assert service["spec"]["predictor"]["model"]["storageUri"].startswith("pvc://model-store/")
    assert "storage.kserve.io/readonly" not in service["metadata"]["annotations"]


def test_revisions_are_spread_over_the_nodes():
    (spread,) = manifest("predictor/inferenceservice.yaml")["spec"]["predictor"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["matchLabelKeys"]) == ("kubernetes.io/hostname", ["app"])


@pytest.mark.parametrize("part", ["serving", "registry", "training", "mlflow"])
def test_what_is_not_named_may_neither_come_nor_go(part):
    spec = manifest(f"{part}/networkpolicy.yaml")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("ports") for direction in ("ingress", "egress") for rule in spec.get(direction, ()))


def test_predictors_call_nobody_but_dns():
    (rule,) = manifest("serving/networkpolicy.yaml")["spec"]["egress"]
    assert {port["port"] for port in rule["ports"]} == {53}


def test_predictors_are_called_by_gateway_controller_and_monitoring_alone():
    rules = [
        source
        for name in ("serving", "monitoring")
        for rule in manifest(f"{name}/networkpolicy.yaml")["spec"]["ingress"]
        for source in rule["from"]
    ]
    gateway, controller, prometheus = rules
    assert gateway["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "envoy-gateway-system"}
    assert controller["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "geometry-controller"}
    assert prometheus["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
