"""The templates of the release hold no field that KServe does not know: a misspelt one would silently do nothing."""

import re

import pytest
from kserve import models as serving
from kubernetes.client import models as core

from tests.manifests.rendered import identity, manifest, released

KINDS = {
    "InferenceService": serving.V1beta1InferenceService,
    "ServingRuntime": serving.V1alpha1ServingRuntime,
}
RENDERED = {"/".join(identity(made)): made for made in released()}
SERVED = {name: made for name, made in RENDERED.items() if made["kind"] in KINDS}


def unknown(value, kind, where=""):
    """Paths of fields that a model of the KServe or Kubernetes client does not have."""
    if isinstance(value, list):
        return [path for item in value for path in unknown(item, kind, where)]
    if isinstance(kind, str):
        kind = getattr(serving, kind, None) or getattr(core, kind, None)
    if kind is None or not hasattr(kind, "attribute_map"):
        return []
    attribute = {name: field for field, name in kind.attribute_map.items()}
    found = [f"{where}.{name}" for name in value if name not in attribute]
    for name in set(value) & set(attribute):
        inner = re.sub(r"^list\[(.*)\]$", r"\1", kind.openapi_types[attribute[name]])
        if isinstance(value[name], (dict, list)) and not inner.startswith("dict("):
            found += unknown(value[name], inner, f"{where}.{name}")
    return found


@pytest.mark.parametrize("made", SERVED.values(), ids=SERVED)
def test_kserve_knows_every_field_of_what_is_rendered(made):
    assert unknown(made, KINDS[made["kind"]]) == []


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("inferenceservice", ("spec", "canary")),
        ("inferenceservice", ("spec", "predictor", "model")),
        ("inferenceservice", ("spec", "predictor", "topologySpreadConstraints")),
        ("servingruntime", ("spec", "containers")),
        ("servingruntime", ("spec", "containers", "lifecycle", "preStop")),
    ],
)
def test_a_misspelt_field_would_be_found(template, place):
    made = inner = manifest(f"predictor/{template}.yaml")
    for name in place:
        inner = inner[name]
        inner = inner[0] if isinstance(inner, list) else inner
    inner["trafficPercnt"] = 1
    assert unknown(made, KINDS[made["kind"]]) == [f".{'.'.join(place)}.trafficPercnt"]


def test_a_rendered_release_is_of_one_installation():
    """Names that a release refers to are those that the overlays make."""
    service = RENDERED["InferenceService/shapes"]["spec"]["predictor"]
    assert service["serviceAccountName"] == manifest("serving/serviceaccount.yaml")["metadata"]["name"]
    claim = manifest("store/model-store.yaml")["metadata"]["name"]
    assert service["model"]["storageUri"] == f"pvc://{claim}/models/shapes/3"
