"""One cause, one page: a real Alertmanager is given alerts, and says which of them it would tell nobody."""

import subprocess
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from registry.adapters.local.revision import free_port
from tests.monitoring.programs import program
from tests.monitoring.rulefiles import FILES, rules

SEVERITIES = {rule.name: rule.document["labels"]["severity"] for rule in rules() if rule.alert}


class Alertmanager:
    def __init__(self, url):
        self._url = url

    def fire(self, *alerts, namespace, ended=False):
        """Alerts as `Name`, or `Name/service` or `Name/service/severity`."""
        now = datetime.now(UTC)
        body = [
            {"labels": labels(alert, namespace), "startsAt": (now - timedelta(minutes=1)).isoformat()}
            | ({"endsAt": (now - timedelta(seconds=1)).isoformat()} if ended else {})
            for alert in alerts
        ]
        httpx.post(f"{self._url}/api/v2/alerts", json=body, trust_env=False).raise_for_status()

    def silent(self, namespace):
        """What is told nobody there, as it was given."""
        found = httpx.get(f"{self._url}/api/v2/alerts", params={"filter": f'namespace="{namespace}"'}, trust_env=False)
        return {given(alert["labels"]) for alert in found.json() if alert["status"]["inhibitedBy"]}


def labels(alert, namespace):
    name, service, severity = (*alert.split("/"), *("shapes", "")[alert.count("/") :])[:3]
    severity = severity or SEVERITIES[f"Geometry{name}"]
    found = {"alertname": f"Geometry{name}", "service": service, "severity": severity, "namespace": namespace}
    return {key: value for key, value in found.items() if value}


def given(labels):
    name = labels["alertname"].removeprefix("Geometry")
    return f"{name}/{labels['service']}/{labels['severity']}"


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    port, directory = free_port(), tmp_path_factory.mktemp("alertmanager")
    command = [program("alertmanager"), f"--config.file={FILES / 'alertmanager.yaml'}", f"--storage.path={directory}"]
    flags = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, *flags], stdout=log, stderr=log)
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
    try:
        while not ready(url):
            assert time.monotonic() < end, (directory / "log").read_text()
            assert process.poll() is None, (directory / "log").read_text()
        yield Alertmanager(url)
    finally:
        process.terminate()
        process.wait(30)


def ready(url):
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False


W, C = "shapes/warning", "shapes/critical"
TABLE = {
    "a dead service": (
        ("ServiceDown", "NoTraffic", f"AvailabilityBurn/{C}", "ReplicaDown", "Drift", "StaleEvidence", "CanaryStuck"),
        {f"NoTraffic/{W}", f"AvailabilityBurn/{C}", f"ReplicaDown/{W}", f"Drift/{W}", f"StaleEvidence/{W}"}
        | {f"CanaryStuck/{W}"},
    ),
    "a dead service and staging, which is another": (
        ("ServiceDown", "NoTraffic/shapes-staging", "AvailabilityBurn/shapes-staging/critical"),
        set(),
    ),
    "errors, burning fast and slowly": (
        (f"AvailabilityBurn/{C}", f"AvailabilityBurn/{W}", "QueueShedding"),
        {f"AvailabilityBurn/{W}", f"QueueShedding/{W}"},
    ),
    "errors and slowness, which are two": ((f"AvailabilityBurn/{C}", f"LatencyBurn/{W}"), set()),
    "no controller": (
        ("ControllerAbsent", "CanaryStuck", "BackupTooOld", "Drift", "NoTraffic"),
        {f"CanaryStuck/{W}", f"BackupTooOld/{W}", f"Drift/{W}"},
    ),
    "a journal that is another": (
        ("AnchorMismatch", "ControllerProblem", "ControllerNotDeciding", "StaleEvidence"),
        {f"ControllerProblem/{W}", f"ControllerNotDeciding/{C}", f"StaleEvidence/{W}"},
    ),
    "a rollback and a wrong digest, which nothing silences": (
        ("ServiceDown", "RollbackHappened", "DigestNotAsRecorded", "StoreNearlyFull"),
        set(),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_follows_from_another_alert_is_told_nobody(alertmanager, case):
    fired, silent = TABLE[case]
    namespace = f"case-{list(TABLE).index(case)}"
    alertmanager.fire(*fired, namespace=namespace)
    assert alertmanager.silent(namespace) == silent


def test_another_namespace_is_another_matter(alertmanager):
    alertmanager.fire("ServiceDown", namespace="one")
    alertmanager.fire("NoTraffic", namespace="two")
    assert alertmanager.silent("two") == set()


def test_when_nothing_of_ours_answers_nothing_else_is_known(alertmanager):
    alertmanager.fire("TargetAbsent", namespace="")
    alertmanager.fire("ServiceDown", "StoreNearlyFull", namespace="three")
    assert alertmanager.silent("three") == {f"ServiceDown/{C}", f"StoreNearlyFull/{W}"}
    alertmanager.fire("TargetAbsent", namespace="", ended=True)
