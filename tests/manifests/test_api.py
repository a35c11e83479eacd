"""What the API server itself refuses: a real one with our CRDs and admission policies, one person beside the other."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.manifests.rendered import ROOT, files, pod_templates

pytestmark = pytest.mark.cluster

NAMESPACE = "ml-geometry-dev"
WANTED = {"action": "promote", "model": "shapes", "version": "2", "to": "production"}
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def cluster(api):
    """The dev overlay applied; ann may promote and approve, bob may also force."""
    assert api.kubectl("root", "apply", "-k", "kustomize/overlays/dev").stderr == ""
    for person, roles in {"ann": ("promoter", "approver"), "bob": ("promoter", "forcer")}.items():
        for role in roles:
            made = ("rolebinding", f"{person}-{role}", f"--role=geometry-{role}", f"--user={person}")
            assert api.kubectl("root", "-n", NAMESPACE, "create", *made).returncode == 0
    wait_until_policies_hold(api)
    return api


def wait_until_policies_hold(api):
    """A policy is in force some moments after it was made."""
    for _ in range(300):
        if ask(api, "ann", {"requestedBy": "mallory"}).status_code == 403:
            return
    raise AssertionError("requestedBy was never checked")


def ask(api, person, change=(), *, kind="Promotion"):
    return api.create(person, kind, {**WANTED, "requestedBy": person, **dict(change)}, namespace=NAMESPACE)


def test_applying_an_overlay_again_changes_nothing(cluster):
    before = versions(cluster)
    assert len(before) > 20
    again = cluster.kubectl("root", "apply", "-k", "kustomize/overlays/dev")
    assert (again.returncode, again.stderr) == (0, "")
    assert versions(cluster) == before


def versions(api):
    """Version of everything that the overlay made: a write that changes nothing keeps it."""
    columns = "custom-columns=KIND:.kind,NAME:.metadata.name,VERSION:.metadata.resourceVersion"
    applied = ("get", "-k", "kustomize/overlays/dev", "--no-headers", "-o", columns)
    return sorted(api.kubectl("root", *applied).stdout.splitlines())


@pytest.mark.parametrize("overlay", ["staging", "prod"])
def test_every_overlay_is_accepted_beside_the_others(cluster, overlay):
    assert cluster.kubectl("root", "apply", "-k", f"kustomize/overlays/{overlay}").returncode == 0


def test_a_promotion_in_the_callers_name_is_accepted(cluster):
    assert ask(cluster, "ann").status_code == 201


def test_a_promotion_in_anothers_name_is_refused(cluster):
    refused = ask(cluster, "ann", {"requestedBy": "bob"})
    assert refused.status_code == 403
    assert 'spec.requestedBy is "bob", wanted the caller, "ann"' in refused.json()["message"]


def test_force_needs_its_own_verb(cluster):
    forced = {"force": True, "reason": "the data changed"}
    refused = ask(cluster, "ann", forced)
    assert refused.status_code == 403
    assert 'no verb "force"' in refused.json()["message"]
    assert ask(cluster, "bob", forced).status_code == 201


COMPARED = {"action": "compare", "to": None, "base": "1", "weight": 50, "seconds": 60}
WRONG = {
    "no version": {"version": None},
    "a version that is none": {"version": "latest"},
    "a version that is too long": {"version": "1000000000.0.0"},
    "a model that is none": {"model": "Shapes!"},
    "the staging service's name": {"model": "shapes-staging"},
    "no stage": {"to": None},
    "a stage that cannot be asked for": {"to": "development"},
    "an unknown action": {"action": "destroy"},
    "a stage with a rollback": {"action": "rollback", "version": None},
    "steps without weight": {"steps": [{"mirror": 100}]},
    "a weight beyond the last judged one": {"steps": [{"weight": 51}]},
    "weights that fall": {"steps": [{"weight": 50}, {"weight": 5}]},
    "a weight twice": {"steps": [{"weight": 5}, {"weight": 5}]},
    "a mirror after a weight": {"steps": [{"weight": 5}, {"mirror": 100}]},
    "a mirror between weights": {"steps": [{"weight": 5}, {"mirror": 100}, {"weight": 50}]},
    "a step that is two": {"steps": [{"weight": 5, "mirror": 5}]},
    "a step that is none": {"steps": [{"soak": 5}, {"weight": 5}]},
    "steps to staging": {"to": "staging", "steps": [{"weight": 5}]},
    "force without a reason": {"force": True},
    "no more steps than none": {"steps": []},
    "a base without a comparison": {"base": "1"},
    "a comparison with nothing": {"action": "compare", "to": None, "weight": 50, "seconds": 60},
    "a comparison without a version": {**COMPARED, "version": None},
    "a comparison that never ends": {**COMPARED, "seconds": None},
    "a comparison beyond the half": {**COMPARED, "weight": 51},
    "a comparison of no time": {**COMPARED, "seconds": 0.5},
    "a comparison with a stage": {**COMPARED, "to": "production"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_by_the_schema(cluster, change):
    spec = {**WANTED, "requestedBy": "bob", **change}
    kept = {name: value for name, value in spec.items() if value is not None}
    assert cluster.create("bob", "Promotion", kept, namespace=NAMESPACE).status_code == 422


RIGHT = {
    "steps of every sort": {"steps": [{"header": "only"}, {"mirror": 50}, {"weight": 5, "soak": 60}, {"weight": 50}]},
    "a stage it comes from": {"sourceStage": "staging"},
    "a dotted version": {"version": "1.0.0"},
    "a reason": {"reason": "better on hexagons"},
}


@pytest.mark.parametrize("change", RIGHT.values(), ids=RIGHT)
def test_what_can_be_is_accepted(cluster, change):
    assert ask(cluster, "ann", change).status_code == 201


def test_a_comparison_names_two_versions_a_weight_and_its_time_which_stay(cluster):
    spec = {name: value for name, value in {**WANTED, **COMPARED, "requestedBy": "ann"}.items() if value is not None}
    made = cluster.create("ann", "Promotion", spec, namespace=NAMESPACE)
    assert made.status_code == 201
    for change in ({"base": "3"}, {"weight": 10}, {"seconds": 61}, {"seconds": None}):
        assert cluster.patch("ann", made, {"spec": change}).status_code == 422


def test_a_rollback_names_no_version(cluster):
    spec = {"action": "rollback", "model": "shapes", "requestedBy": "ann"}
    assert cluster.create("ann", "Promotion", spec, namespace=NAMESPACE).status_code == 201


@pytest.mark.parametrize(
    "change", [{"version": "3"}, {"to": "staging"}, {"reason": "late"}, {"force": True, "reason": "late"}, {"to": None}]
)
def test_what_was_asked_cannot_be_changed(cluster, change):
    refused = cluster.patch("ann", ask(cluster, "ann"), {"spec": change})
    assert refused.status_code == 422
    assert "only spec.control can" in refused.json()["message"]


def test_whoever_may_promote_pauses_and_resumes_in_their_own_name(cluster):
    created = ask(cluster, "ann")
    for person, action in (("bob", "pause"), ("ann", "resume"), ("bob", "abort")):
        assert cluster.patch(person, created, {"spec": {"control": {"action": action, "by": person}}}).is_success


def test_nobody_pauses_in_anothers_name(cluster):
    refused = cluster.patch("bob", ask(cluster, "ann"), {"spec": {"control": {"action": "pause", "by": "ann"}}})
    assert refused.status_code == 403
    assert 'spec.control.by is "ann", wanted the caller, "bob"' in refused.json()["message"]


def test_a_reason_is_said_with_a_control_and_by_who_says_it(cluster):
    created = ask(cluster, "ann")
    control = {"action": "pause", "by": "ann", "reason": "lunch"}
    assert cluster.patch("ann", created, {"spec": {"control": control}}).is_success
    assert cluster.patch("bob", created, {"spec": {"control": {"reason": "dinner"}}}).status_code == 403
    assert cluster.patch("ann", created, {"spec": {"control": {"reason": "x" * 257}}}).status_code == 422


def test_what_was_said_cannot_be_unsaid(cluster):
    created = ask(cluster, "ann")
    assert cluster.patch("ann", created, {"spec": {"control": {"action": "pause", "by": "ann"}}}).is_success
    assert cluster.patch("ann", created, {"spec": {"control": None}}).status_code == 422


def test_labels_may_change_while_somebody_elses_control_stands(cluster):
    created = ask(cluster, "ann")
    assert cluster.patch("bob", created, {"spec": {"control": {"action": "pause", "by": "bob"}}}).is_success
    assert cluster.patch("ann", created, {"metadata": {"labels": {"team": "shapes"}}}).is_success


def test_who_promotes_does_not_write_the_status(cluster):
    refused = cluster.patch("ann", ask(cluster, "ann"), {"status": {"phase": "Succeeded"}}, part="/status")
    assert refused.status_code == 403


def test_a_terminal_status_is_what_kubectl_waits_for(cluster):
    created = ask(cluster, "ann")
    ended = {
        "type": "Complete",
        "status": "True",
        "reason": "Promoted",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {"phase": "Succeeded", "step": "4/4", "weight": 100, "conditions": [ended]}
    assert cluster.patch("root", created, {"status": status}, part="/status").is_success
    name = created.json()["metadata"]["name"]
    waited = ("wait", "--for=condition=Complete", f"promotion/{name}", "--timeout=10s")
    assert cluster.kubectl("root", "-n", NAMESPACE, *waited).returncode == 0
    shown = cluster.kubectl("root", "-n", NAMESPACE, "get", "promotions", name).stdout.splitlines()
    columns = ["NAME", "ACTION", "MODEL", "VERSION", "TO", "PHASE", "STEP", "WEIGHT", "VERDICT", "REASON", "AGE"]
    assert shown[0].split() == columns
    assert shown[1].split()[1:8] == ["promote", "shapes", "2", "production", "Succeeded", "4/4", "100"]


APPROVAL = {"model": "shapes", "version": "2", "digest": DIGEST}


@pytest.mark.parametrize(
    ("change", "status"),
    [({"by": "ann"}, 201), ({"by": "bob"}, 403), ({"by": "ann", "digest": "beef"}, 422), ({"by": ""}, 422)],
)
def test_an_approval_is_ones_own_and_of_a_digest(cluster, change, status):
    assert cluster.create("ann", "Approval", {**APPROVAL, **change}, namespace=NAMESPACE).status_code == status


def test_an_approval_cannot_be_changed(cluster):
    created = cluster.create("ann", "Approval", {**APPROVAL, "by": "ann"}, namespace=NAMESPACE)
    assert cluster.patch("root", created, {"spec": {"digest": "cd" * 32}}).status_code == 422


def admitted(api, pod):
    """What the namespace says of a pod of this spec; nothing is made."""
    made = {"metadata": {"name": "tried"}, "spec": {**pod, "serviceAccountName": "geometry-predictor"}}
    return api.call("root", "POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", made)


def test_the_namespace_refuses_a_pod_that_is_not_restricted(cluster):
    refused = admitted(cluster, {"containers": [{"name": "loose", "image": "loose"}]})
    assert refused.status_code == 403
    assert "violates PodSecurity" in refused.json()["message"]


PODS = {path.stem + "-" + path.parent.name: pod for path, made in files().items() for pod in pod_templates(made)}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_the_namespace_admits_every_pod_of_ours(cluster, pod):
    kept = ("containers", "initContainers", "volumes", "securityContext", "restartPolicy")
    assert admitted(cluster, {name: pod[name] for name in kept if name in pod}).status_code == 201


@pytest.fixture
def script(cluster, tmp_path):
    """Run a script of cluster/ against this API server, which is the context `it`."""
    place = tmp_path / "kubeconfig"
    here = ("--kubeconfig", str(place))
    cluster.kubectl("root", *here, "config", "set-cluster", "it", "--server", cluster.url, "--insecure-skip-tls-verify")
    cluster.kubectl("root", *here, "config", "set-credentials", "it", "--token", cluster.tokens["root"])
    cluster.kubectl("root", *here, "config", "set-context", "it", "--cluster", "it", "--user", "it")
    tools = os.pathsep.join((str(Path(cluster.kubectl_program).parent), os.environ["PATH"]))
    environment = {**os.environ, "KUBECONFIG": str(place), "PATH": tools}
    return lambda name, *arguments: subprocess.run(
        [ROOT / "cluster" / name, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def keys(cluster, script):
    """`cluster/keys` for a namespace of its own."""
    cluster.kubectl("root", "create", "namespace", "keys")
    yield lambda: script("keys", "it", "keys")
    cluster.kubectl("root", "-n", "keys", "delete", "secret,configmap", "geometry-signing", "geometry-trust")


def test_keys_are_made_once(cluster, keys):
    held = (
        "-n",
        "keys",
        "get",
        "secret/geometry-signing",
        "configmap/geometry-trust",
        "-o",
        "jsonpath={.items[*].data}",
    )
    assert keys().returncode == 0
    made = cluster.kubectl("root", *held).stdout
    assert '"signing.key"' in made
    assert '"trust.json"' in made
    assert keys().returncode == 0
    assert cluster.kubectl("root", *held).stdout == made


def test_half_a_pair_of_keys_is_refused(cluster, keys):
    cluster.kubectl("root", "-n", "keys", "create", "configmap", "geometry-trust")
    refused = keys()
    assert refused.returncode == 1
    assert "has configmap/geometry-trust alone, wanted geometry-signing and geometry-trust" in refused.stderr


def test_the_doctor_names_what_a_bare_cluster_lacks_and_the_fix(script):
    found = script("doctor", "it")
    assert found.returncode == 1
    assert re.findall(r"^(ok|bad)   +([\w']+)", found.stdout, re.MULTILINE) == [
        ("ok", "Kubernetes"),
        *(("bad", lacking) for lacking in ("Gateway", "Gateway", "KServe", "KServe's", "StorageClass")),
    ]
    assert "KServe's mode: found nothing, wanted Standard; change inferenceservice-config" in found.stdout


def test_the_doctor_says_when_nobody_answers(script):
    found = script("doctor", "elsewhere")
    assert found.returncode == 1
    assert "context elsewhere: found no answer, wanted an API server" in found.stdout


@pytest.fixture(scope="module")
def labeller(cluster):
    """ann may leave labels; returns how to create a ConfigMap in somebody's name."""
    made = ("rolebinding", "ann-labeller", "--role=geometry-labeller", "--user=ann")
    assert cluster.kubectl("root", "-n", NAMESPACE, "create", *made).returncode == 0

    def create(person, metadata, **parts):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **parts}
        return cluster.call(person, "POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", body)

    for _ in range(300):
        if create("ann", {"name": "early"}).status_code == 403:
            return create
    raise AssertionError("labels were never checked")


LABELLED = {"generateName": "labels-shapes-", "labels": {"ml-geometry/labels": "shapes"}}
LINES = {"labels.jsonl": '{"id": "a", "index": 0, "label": "circle"}\n'}


def test_who_labels_leaves_labels(labeller):
    assert labeller("ann", LABELLED, data=LINES).status_code == 201


@pytest.mark.parametrize(
    ("metadata", "parts"),
    [
        ({"name": "labels-1"}, {"data": LINES}),
        ({"name": "geometry-trust"}, {"data": {"trust.json": "{}"}}),
        ({**LABELLED, "generateName": "geometry-"}, {"data": LINES}),
        ({**LABELLED, "labels": {"ml-geometry/labels": "Shapes"}}, {"data": LINES}),
        (LABELLED, {}),
        (LABELLED, {"binaryData": {"labels.jsonl": "YQ=="}}),
    ],
    ids=["no label", "the trust list", "another's name", "no model", "nothing", "bytes"],
)
def test_who_labels_creates_nothing_else(labeller, metadata, parts):
    assert labeller("ann", metadata, **parts).status_code in (403, 422)


def test_who_labels_neither_reads_nor_changes_what_is_there(cluster, labeller):
    made = labeller("ann", LABELLED, data=LINES).json()["metadata"]["name"]
    for verb in (("get", "configmap", made), ("delete", "configmap", made), ("get", "configmaps")):
        assert "forbidden" in cluster.kubectl("ann", "-n", NAMESPACE, *verb).stderr.lower()


def test_who_manages_the_namespace_creates_what_they_want(labeller):
    assert labeller("root", {"name": "anything"}).status_code == 201


def test_nobody_who_has_not_the_role_leaves_labels(labeller):
    assert labeller("bob", LABELLED, data=LINES).status_code == 403
