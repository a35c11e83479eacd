"""Code and YAML say the same: flags, environment, ports, paths, files, images, roles."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from registry.domain.version import MODEL_LENGTH, VERSION_LENGTH
from registry.store.home import VARIABLE, Home
from registry.store.keys import SIGNING_KEY, TRUST
from tests.manifests.rendered import ROOT, containers, files, manifest, pod_templates

RUNTIME = manifest("predictor/servingruntime.yaml")["spec"]
PREDICTOR = RUNTIME["containers"][0]
CONTROLLER = manifest("registry/deployment.yaml")["spec"]["template"]["spec"]
TRAIN = manifest("training/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
PORTS = {port["name"]: port["containerPort"] for port in PREDICTOR["ports"]}


def settings(arguments, environment):
    """What the predictor makes of them, in a process of its own: KServe reads the command line when imported."""
    code = "import json, os, sys; from predictor.settings import parse; s = parse(sys.argv[1:], os.environ);"
    code += "print(json.dumps([str(s.model_dir), str(s.trust), s.digest, s.http_port, s.grpc_port]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], env={"PYTHONPATH": str(ROOT), **environment}, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout.splitlines()[-1])


def test_the_predictor_understands_its_pod():
    pattern = manifest("predictor/inferenceservice.yaml")["spec"]["predictor"]["model"]
    environment = {found["name"]: found["value"] for found in (*PREDICTOR["env"], *pattern["env"])}
    mounted = {mount["name"]: mount["mountPath"] for mount in PREDICTOR["volumeMounts"]}
    found = settings([*PREDICTOR["args"], *pattern.get("args", ())], environment)
    assert found == ["/mnt/models", f"{mounted['trust']}/{TRUST}", "0" * 64, PORTS["http1"], PORTS["h2c"]]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_probes_path_is_one_of_the_predictors(probe):
    assert f'"{PREDICTOR[probe]["httpGet"]["path"]}"' in (ROOT / "predictor/edge.py").read_text()


def test_the_predictor_has_the_time_it_needs_to_drain():
    grace = manifest("predictor/inferenceservice.yaml")["spec"]["predictor"]["terminationGracePeriodSeconds"]
    assert grace > PREDICTOR["lifecycle"]["preStop"]["sleep"]["seconds"] + 30


@pytest.mark.parametrize("policy", ["serving", "monitoring"])
def test_the_doors_of_the_network_are_ports_of_the_predictor(policy):
    for rule in manifest(f"{policy}/networkpolicy.yaml")["spec"]["ingress"]:
        assert {port["port"] for port in rule["ports"]} <= set(PORTS)


def test_counters_are_scraped_where_they_are():
    assert RUNTIME["annotations"]["prometheus.kserve.io/port"] == str(PORTS["http1"])


@pytest.mark.parametrize("pod", [CONTROLLER, TRAIN], ids=["controller", "training"])
def test_volumes_are_mounted_where_an_installation_has_its_parts(pod):
    box = pod["containers"][0]
    place = Home(Path({found["name"]: found.get("value") for found in box["env"]}[VARIABLE]))
    mounts = {mount["mountPath"] for mount in box["volumeMounts"]}
    assert {str(place.root), str(place.store), str(place.keys)} <= mounts


def test_keys_come_as_the_files_that_are_read():
    script = (ROOT / "cluster/keys").read_text()
    assert f"--from-file={SIGNING_KEY}=" in script
    assert f"--from-file={TRUST}=" in script


def test_the_trainers_arguments_are_the_command_lines():
    from typer.testing import CliRunner

    from registry.cli.app import add_plugins, app

    add_plugins()
    verb, *options = TRAIN["containers"][0]["args"]
    shown = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"}).output
    assert options
    assert [option for option in options if option not in shown] == []


def test_a_trainer_keeps_its_epochs_where_it_looks_for_them_and_each_job_its_own():
    from training.cli import CHECKPOINT

    pod = manifest("training/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    environment = {found["name"]: found for found in pod["containers"][0]["env"]}
    kept = environment[CHECKPOINT]["value"]
    assert kept.startswith(f"{environment[VARIABLE]['value']}/")
    assert kept.endswith("/$(GEOMETRY_JOB)")
    assert list(environment).index("GEOMETRY_JOB") < list(environment).index(CHECKPOINT)
    assert "controller-uid" in environment["GEOMETRY_JOB"]["valueFrom"]["fieldRef"]["fieldPath"]


def test_every_image_of_ours_has_the_projects_version():
    project = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    images = {box["image"] for made in files().values() for pod in pod_templates(made) for box in containers(pod)}
    assert images == {f"ml-geometry/{name}:{project}" for name in ("predictor", "controller", "trainer")}


def test_the_schema_bounds_names_as_the_code_does():
    for name in ("promotions", "approvals"):
        spec = schema(name)["spec"]["properties"]
        assert spec["model"]["maxLength"] == MODEL_LENGTH
        assert spec["version"]["maxLength"] == VERSION_LENGTH


def schema(name):
    (version,) = manifest(f"registry/crds/{name}.yaml")["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]


def test_the_schema_knows_the_verdicts_of_the_judge():
    from registry.domain.verdict import Outcome

    assert set(schema("promotions")["status"]["properties"]["verdict"]["properties"]["kind"]["enum"]) == set(Outcome)


def test_the_schema_bounds_comparisons_as_the_code_does():
    from registry.domain.options import LONGEST
    from registry.domain.split import HIGHEST

    spec = schema("promotions")["spec"]["properties"]
    assert spec["weight"]["maximum"] == HIGHEST
    assert spec["seconds"]["maximum"] <= LONGEST
    assert spec["base"]["pattern"] == spec["version"]["pattern"]


def test_the_schema_knows_the_controls_of_the_controller():
    from registry.domain.control import CONTROLS

    assert set(schema("promotions")["spec"]["properties"]["control"]["properties"]["action"]["enum"]) == set(CONTROLS)


RULES = [(role, rule) for role in files().values() if role["kind"] == "Role" for rule in role["rules"]]


@pytest.mark.parametrize(("role", "rule"), RULES)
def test_no_role_reaches_further_than_its_words(role, rule):
    words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    assert not any("*" in word for word in words)
    assert {"secrets", "pods/exec", "roles", "rolebindings"} & set(rule["resources"]) == set()


def test_nothing_of_ours_has_rights_beyond_its_namespace():
    assert not [found for found in files().values() if found["kind"] in ("ClusterRole", "ClusterRoleBinding")]


def test_the_controller_may_write_what_a_release_consists_of():
    from registry.manifests import read_templates

    may = {
        (group, resource): set(rule["verbs"])
        for rule in manifest("registry/role-controller.yaml")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    for template in filter(None, vars(read_templates()).values()):
        kind = template["apiVersion"].partition("/")[0], f"{template['kind'].lower()}s"
        assert {"create", "patch", "delete"} <= may[kind]


def test_the_controller_alone_writes_a_status():
    writers = {role["metadata"]["name"] for role, rule in RULES if any("/status" in name for name in rule["resources"])}
    assert writers == {"geometry-controller"}


def test_the_policies_hold_for_the_objects_that_are_defined():
    for name in ("promotions", "approvals"):
        (rule,) = manifest(f"registry/policies/{name}.yaml")["spec"]["matchConstraints"]["resourceRules"]
        names = manifest(f"registry/crds/{name}.yaml")["spec"]
        assert (rule["apiGroups"], rule["resources"]) == ([names["group"]], [names["names"]["plural"]])
        binding = manifest(f"registry/policies/{name}-binding.yaml")["spec"]
        assert (binding["policyName"], binding["validationActions"]) == (f"{name}.ml-geometry.io", ["Deny"])


def test_the_policy_of_labels_holds_where_installations_are_and_for_what_the_controller_takes_in():
    from registry.adapters.cluster.labels import LABEL

    policy = manifest("registry/policies/labels.yaml")["spec"]
    wanted = policy["matchConstraints"]["namespaceSelector"]["matchLabels"]
    assert wanted.items() <= manifest("namespace/namespace.yaml")["metadata"]["labels"].items()
    assert f"['{LABEL}']" in policy["variables"][0]["expression"]
    assert manifest("registry/policies/labels-binding.yaml")["spec"]["policyName"] == "labels.ml-geometry.io"


def test_where_the_gateway_is_reached_is_where_the_routes_hang():
    made = yaml.safe_load_all((ROOT / "cluster/gateway.yaml").read_text())
    (gateway,) = (found["metadata"] for found in made if found["kind"] == "Gateway")
    for route in ("httproute", "httproute-pinned"):
        (parent,) = manifest(f"predictor/{route}.yaml")["spec"]["parentRefs"]
        assert parent == {"name": gateway["name"], "namespace": gateway["namespace"]}
