"""What overlays render to: valid, whole, without a released object, and differing from each other only where meant."""

import shutil

import pytest
import yaml

from registry.domain.policy import WriteMode, parse_policy
from tests.manifests.rendered import ROOT, documents, files, identity, released

OVERLAYS = ("dev", "staging", "prod")
KUBERNETES = "1.34"
RELEASED = {"InferenceService", "ServingRuntime", "HTTPRoute"}
CLUSTER_WIDE = {
    "Namespace",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_valid_kubernetes(overlays, overlay):
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is missing: make install")
    for document in overlays[overlay]:
        validator.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_never_holds_a_released_object(overlays, overlay):
    """Applying it therefore changes nothing about the release, whenever it is applied."""
    assert {document["kind"] for document in overlays[overlay]} & RELEASED == set()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_release_has_a_place_that_is_empty(overlay):
    assert "release.yaml" in kustomization(f"kustomize/overlays/{overlay}")["resources"]
    assert yaml.safe_load((ROOT / f"kustomize/overlays/{overlay}/release.yaml").read_text()) is None


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_one_namespace_that_enforces_restricted_pods(overlays, overlay):
    (namespace,) = (found["metadata"] for found in overlays[overlay] if found["kind"] == "Namespace")
    assert namespace["name"] == f"ml-geometry-{overlay}"
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for document in overlays[overlay]:
        if document["kind"] not in CLUSTER_WIDE:
            assert document["metadata"]["namespace"] == namespace["name"], identity(document)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_policy_of_an_overlay_is_one(overlays, overlay):
    (text,) = (found["data"]["policy.yaml"] for found in overlays[overlay] if identity(found) == POLICY)
    assert parse_policy(yaml.safe_load(text), text).write_mode is WriteMode.LIVE


POLICY = ("ConfigMap", "geometry-policy")


def test_what_is_cluster_wide_is_the_same_in_every_overlay(overlays):
    """Installations share it: the one applied last must not change it for the others."""
    shared = CLUSTER_WIDE - {"Namespace"}
    texts = {
        name: [{**found, "metadata": without_namespace(found)} for found in made if found["kind"] in shared]
        for name, made in overlays.items()
    }
    assert texts["dev"]
    assert texts["dev"] == texts["staging"] == texts["prod"]


def without_namespace(document):
    return {name: value for name, value in document["metadata"].items() if name != "namespace"}


def test_no_object_is_written_twice():
    written = [identity(document) for document in files().values()]
    assert sorted(written) == sorted(set(written))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_is_one_object_without_environment(path):
    (document,) = yaml.safe_load_all(path.read_text())
    assert "namespace" not in document["metadata"]
    assert document["metadata"]["labels"]["app.kubernetes.io/part-of"] == "ml-geometry"


KUSTOMIZATIONS = sorted((ROOT / "manifests").rglob("kustomization.yaml"))


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_lists_everything_beside_it(path):
    beside = {found.name for found in path.parent.iterdir() if found != path}
    assert set(yaml.safe_load(path.read_text())["resources"]) == beside


def test_a_release_in_its_place_is_applied_as_the_registry_wrote_it(kubectl, overlays, tmp_path):
    for folder in ("manifests", "kustomize"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    place, objects = tmp_path / "kustomize/overlays/prod", released()
    (place / "release.yaml").write_text(yaml.safe_dump_all(objects))
    made = {identity(found): found for found in documents(kubectl, str(place))}
    for wanted in objects:
        found = made.pop(identity(wanted))
        assert found["metadata"].pop("namespace") == "ml-geometry-prod"
        assert found == wanted
    assert made == {identity(found): found for found in overlays["prod"]}


def test_what_is_written_is_what_is_installed(overlays):
    """Every object but the templates of the release is in production; nothing else is, but the policy."""
    written = {identity(found) for path, found in files().items() if "predictor" not in path.parts}
    renamed = {("Namespace", "ml-geometry"), ("Namespace", "ml-geometry-prod"), POLICY}
    assert {identity(found) for found in overlays["prod"]} ^ written == renamed


def kustomization(folder):
    return yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text())


def test_production_backs_up_into_the_volume_that_its_controller_mounts(overlays):
    found = {identity(one): one for one in overlays["prod"]}
    policy = yaml.safe_load(found[POLICY]["data"]["policy.yaml"])["backup"]
    pod = found["Deployment", "geometry-controller"]["spec"]["template"]["spec"]
    claims = {
        one["persistentVolumeClaim"]["claimName"]: one["name"]
        for one in pod["volumes"]
        if "persistentVolumeClaim" in one
    }
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts[claims["geometry-backups"]] == f"/geometry/{policy['to']}"
