"""What goes wrong in a real cluster while a version goes in: it goes back or waits, and says why; nobody notices."""

import json

import pytest

from tests.cluster.installation import CONTROLLER, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

RATE = 50.0
"""Requests a second while something is broken."""

KSERVE = ("--namespace", "kserve", "deployment/kserve-controller-manager")


@pytest.fixture
def flowing(installation):
    """Traffic during the test; no request failed, and no pod of the old version restarted or was replaced."""
    ((stable, _),) = installation.weights().items()
    before = installation.pods(stable)
    with installation.traffic(rate=RATE) as tally:
        yield tally
    assert tally.failures == []
    after = installation.pods(stable)
    assert set(before) <= set(after)
    assert set(after.values()) == {0}


@pytest.fixture
def stepped(installation, candidate, flowing):
    """A canary that has a tenth of the requests; aborted in the end."""
    promotion = installation.ask("promote", version=candidate, to="production", steps=[{"weight": 10, "soak": 600}])
    installation.steps(promotion, 10)
    until(lambda: len(installation.weights()) == 2, "the route shows the step")
    settled = installation.weights()
    yield settled
    if "ended" not in installation.get("promotion", promotion)["status"]:
        installation.aborts(promotion)


def refused(installation, candidate, **changes) -> str:
    """Why a version is not let through whose staging revision cannot start under this policy."""
    with installation.policy(**changes):
        promotion = installation.ask("promote", version=candidate, to="production")
        ended = installation.wait(promotion, "condition=Complete")["status"]
    assert ended["phase"] == "Refused"
    return ended["message"]


def fails(installation, candidate, phase: str, **changes) -> str:
    """Why a version left that was forced past staging under this policy; the one before has all requests then."""
    ((stable, _),) = installation.weights().items()
    with installation.policy(**changes):
        forced = {"force": True, "reason": "a test of what comes after staging"}
        promotion = installation.ask("promote", version=candidate, to="production", **forced)
        ended = installation.wait(promotion, "condition=Complete")["status"]
    assert ended["phase"] == phase
    assert installation.weights() == {stable: 100}
    return ended["message"]


def resources(cpu: str, memory: str) -> dict[str, dict[str, dict[str, str]]]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}}


def test_a_version_that_no_node_has_room_for_does_not_pass_staging(installation, candidate):
    assert "Unschedulable" in refused(installation, candidate, serving=resources("64", "192Mi"))


@pytest.mark.usefixtures("flowing")
def test_a_canary_without_room_on_any_node_is_withdrawn_at_the_deadline(installation, candidate):
    huge, soon = resources("64", "192Mi"), {"deadline": 60}
    message = fails(installation, candidate, "Expired", serving=huge, rollout=soon)
    assert "undecided after 60 s; the canary has no ready endpoint (Unschedulable: " in message


@pytest.mark.usefixtures("flowing")
def test_a_canary_whose_image_cannot_be_had_is_withdrawn_at_the_deadline(installation, candidate):
    missing, soon = {"image": "ml-geometry/predictor:nowhere"}, {"deadline": 60}
    message = fails(installation, candidate, "Expired", serving=missing, rollout=soon)
    assert "ImagePull" in message.partition("undecided after 60 s; the canary has no ready endpoint (")[2]


@pytest.mark.usefixtures("flowing")
def test_a_canary_that_ends_at_once_goes_back(installation, candidate):
    other = {"image": installation.image("deployment/geometry-controller")}
    assert "crash loop" in fails(installation, candidate, "RolledBack", serving=other)


@pytest.mark.usefixtures("flowing")
def test_a_canary_that_is_killed_for_its_memory_goes_back(installation, candidate):
    message = fails(installation, candidate, "RolledBack", serving=resources("500m", "48Mi"))
    assert "memory" in message or "crash loop" in message


@pytest.fixture
def without_kserve(installation):
    """KServe's controller, and with it the webhook of what is written, is away."""
    installation.kubectl("scale", *KSERVE, "--replicas=0")
    pods = ("pod", "--namespace", "kserve", "--selector", "control-plane=kserve-controller-manager")
    installation.kubectl("wait", *pods, "--for=delete", "--timeout=60s")
    yield
    back(installation)


def back(installation) -> None:
    """Let KServe's controller come back."""
    installation.kubectl("scale", *KSERVE, "--replicas=1")
    installation.kubectl("rollout", "status", *KSERVE, "--timeout=180s")


@pytest.mark.usefixtures("flowing", "without_kserve")
def test_while_kserve_is_down_a_rollout_waits_and_goes_on_afterwards(installation, candidate):
    forced = {"force": True, "reason": "staging needs KServe too"}
    promotion = installation.ask("promote", version=candidate, to="production", **forced)
    installation.wait(promotion, "condition=Accepted")
    assert len(installation.weights()) == 1
    back(installation)
    installation.steps(promotion, 10)
    installation.aborts(promotion)


def test_a_controller_that_starts_while_kserve_is_down_moves_weights_all_the_same(
    installation, stepped, without_kserve
):
    ((stable, _),) = [found for found in stepped.items() if found[1] == 90]
    installation.kubectl("delete", *CONTROLLER)
    until(lambda: installation.acting(), "another one acts")
    rollback = installation.ask("rollback", reason="a test")
    installation.wait(rollback, "condition=Complete")
    until(lambda: installation.weights() == {stable: 100}, "the old version has all requests")


def test_an_overlay_that_is_applied_in_the_middle_changes_nothing(installation, stepped):
    pods, policy = installation.pods(), installation.told("policy")
    installation.kubectl("apply", "--kustomize", "kustomize/overlays/dev")
    until(lambda: installation.acting(), "the controller acts")
    assert installation.weights() == stepped
    assert installation.pods() == pods
    installation.say_policy(policy)


def test_weights_that_somebody_edits_are_put_right(installation, stepped):
    place = "/spec/rules/0/backendRefs/0/weight"
    edit = json.dumps([{"op": "replace", "path": place, "value": 1}])
    installation.kubectl("patch", "httproute", "shapes", "--type", "json", "--patch", edit)
    until(lambda: installation.weights() == stepped, "the weights are what was recorded", seconds=60)


def test_a_canary_that_somebody_takes_out_of_the_inferenceservice_comes_back(installation, stepped, flowing):
    edit = json.dumps([{"op": "remove", "path": "/spec/canary"}])
    installation.kubectl("patch", "inferenceservice", "shapes", "--type", "json", "--patch", edit)
    until(lambda: "canary" in installation.get("inferenceservice", "shapes")["spec"], "the canary is back", seconds=60)
    until(lambda: installation.weights() == stepped, "it has its weight again")
    # Whoever takes its pods away takes their requests with them, until the controller sees it a turn later.
    assert len(flowing.failures) < RATE * 0.10 * 30
    flowing.failures.clear()


def test_a_controller_that_is_killed_in_the_middle_goes_on_as_another_pod(installation, stepped):
    before = {pod["metadata"]["uid"] for pod in installation.get(*CONTROLLER)["items"]}
    installation.kubectl("delete", *CONTROLLER, "--force", "--grace-period=0")
    until(lambda: installation.acting(), "another one acts")
    assert installation.weights() == stepped
    assert not before & {pod["metadata"]["uid"] for pod in installation.get(*CONTROLLER)["items"]}


@pytest.fixture
def without_api_server(installation):
    """Take the API server of the kind cluster away, for as long as this many requests need."""
    if not installation.has_node():
        pytest.skip(f"{installation.node} is no kind node here")
    place = "/etc/kubernetes/manifests/kube-apiserver.yaml"

    def away(tally, requests: float) -> None:
        installation.on_node("mv", place, "/etc/kubernetes/")
        try:
            sent = tally.sent
            until(lambda: tally.sent - sent > requests, f"{requests:g} requests", seconds=600)
        finally:
            installation.on_node("mv", "/etc/kubernetes/kube-apiserver.yaml", place)

    return away


def holder(installation) -> str:
    """Who has the Lease; "" where no API server answers."""
    try:
        return installation.get("lease", "geometry-controller")["spec"]["holderIdentity"]
    except AssertionError:
        return ""


def test_an_api_server_that_is_away_for_minutes_has_the_controller_started_again_once(
    installation, stepped, flowing, without_api_server
):
    (before,) = installation.get(*CONTROLLER)["items"]
    first = holder(installation)
    without_api_server(flowing, RATE * 180)
    until(lambda: holder(installation) not in ("", first), "the Lease is held again")
    (after,) = installation.get(*CONTROLLER)["items"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    counts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in (before, after)]
    assert counts[1] - counts[0] == 1
    until(lambda: installation.acting(), "the controller acts")
    assert installation.weights() == stepped


def test_of_two_controllers_one_acts(installation, stepped):
    installation.kubectl("scale", "deployment/geometry-controller", "--replicas=2")
    try:
        installation.kubectl("wait", *CONTROLLER, "--for=condition=PodReadyToStartContainers", "--timeout=60s")
        acting = [pod["metadata"]["name"] for pod in installation.get(*CONTROLLER)["items"] if ready(pod)]
        assert [holder(installation).rpartition("_")[0]] == acting
        assert installation.weights() == stepped
    finally:
        installation.kubectl("scale", "deployment/geometry-controller", "--replicas=1")
        until(lambda: installation.acting(), "one acts")


def ready(pod) -> bool:
    return any(found["type"] == "Ready" and found["status"] == "True" for found in pod["status"]["conditions"])


@pytest.mark.usefixtures("flowing")
def test_a_new_image_arrives_with_the_next_version_only(installation, candidate):
    ((stable, _),) = installation.weights().items()
    image, digest = installation.containers(stable)[0]["image"], "ml-geometry/predictor:next"
    installation.tag(image, digest)
    with installation.policy(serving={"image": digest}):
        promotion = installation.ask("promote", version=candidate, to="production")
        installation.steps(promotion, 10)
        images = {found["image"] for found in installation.containers(f"v{candidate.replace('.', '-')}")}
        assert images == {digest}
        assert {found["image"] for found in installation.containers(stable)} == {image}
        installation.aborts(promotion)


def test_a_training_that_finds_the_store_full_says_so_and_leaves_nothing(installation):
    versions = installation.told("models/shapes/versions")
    job = installation.template("cronjob/geometry-train", "full-store")
    (store,) = (found for found in job["spec"]["template"]["spec"]["volumes"] if found["name"] == "store")
    store.pop("persistentVolumeClaim")
    store["emptyDir"] = {"medium": "Memory", "sizeLimit": "64Ki"}
    job["spec"]["backoffLimit"] = 0
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    try:
        installation.kubectl("create", "--filename", "-", given=json.dumps(job))
        installation.kubectl("wait", "job/full-store", "--for=condition=Failed", "--timeout=900s")
        assert "No space left on device" in installation.kubectl("logs", "job/full-store")
    finally:
        installation.kubectl("delete", "job", "full-store", "--ignore-not-found")
    assert installation.told("models/shapes/versions") == versions
