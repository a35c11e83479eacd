"""What the images are made of, read from the Dockerfiles; building them takes a network and is `make docker-build`."""

import re

import pytest

from tests.manifests.rendered import ROOT, manifest

FILES = {name: (ROOT / f"Dockerfile.{name}").read_text() for name in ("predictor", "trainer")}
BOTH = pytest.mark.parametrize("text", FILES.values(), ids=FILES)


def instructions(text, word):
    joined = re.sub(r"\\\n\s*", "", text)
    return re.findall(rf"^{word} (.*)$", joined, re.MULTILINE)


@BOTH
def test_every_stage_comes_from_python_or_from_a_stage(text):
    """One base image, which a build argument replaces; nothing is copied from anybody else's."""
    stages = {line.split(" AS ")[1] for line in instructions(text, "FROM") if " AS " in line}
    assert instructions(text, "ARG")[0] == "PYTHON=python:3.11-slim-bookworm"
    assert {line.split(" AS ")[0] for line in instructions(text, "FROM")} <= {"${PYTHON}", *stages}
    assert set(re.findall(r"--from=(\S+)", text)) <= stages
    assert "# syntax=" not in text


@BOTH
def test_every_package_is_hashed(text):
    installs = [part for line in instructions(text, "RUN") for part in line.split("&&") if "--requirement" in part]
    assert installs
    assert [part for part in installs if "--require-hashes" not in part] == []


@BOTH
def test_an_image_runs_as_the_pods_do(text):
    pod = manifest("registry/deployment.yaml")["spec"]["template"]["spec"]["securityContext"]
    assert instructions(text, "USER") == [f"{pod['runAsUser']}:{pod['runAsGroup']}"]


@BOTH
def test_a_program_gets_its_signals_itself(text):
    assert instructions(text, "ENTRYPOINT")
    assert all(re.fullmatch(r'\[("[\w.-]+"(, )?)+\]', line) for line in instructions(text, "ENTRYPOINT"))
    assert instructions(text, "STOPSIGNAL") == ["SIGTERM"]


def test_a_health_check_asks_what_the_pods_probe():
    controller = manifest("registry/deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
    predictor = manifest("predictor/servingruntime.yaml")["spec"]["containers"][0]
    checks = instructions(FILES["predictor"], "HEALTHCHECK")
    for box, check in zip((controller, predictor), checks, strict=True):
        assert f":{box['ports'][0]['containerPort']}{box['livenessProbe']['httpGet']['path']}'" in check


def test_serving_images_have_no_tensorflow_and_no_mlflow():
    locks = set(re.findall(r"requirements/(\w+)\.txt", FILES["predictor"]))
    assert locks == {"build", "predictor", "cluster"}
    for lock in locks:
        names = re.findall(r"^([a-z0-9_.-]+)", (ROOT / f"requirements/{lock}.txt").read_text(), re.MULTILINE)
        assert {"tensorflow", "tensorflow-cpu", "keras", "mlflow", "mlflow-skinny"} & set(names) == set()


@BOTH
def test_what_is_copied_is_not_ignored(text):
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [line.split()[:-1] for line in instructions(text, "COPY") if not line.startswith("--from")]
    names = {name for line in copied for name in line}
    assert names
    assert {name for name in names if name not in kept and name.split("/")[0] not in kept} == set()
