"""`geometry … --context`: the same words and exit codes as on one machine, about a namespace of a cluster."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from kubernetes.config import kube_config

from registry.adapters.cluster.place import ClusterPlace
from registry.cli import main
from registry.controller.answering import Server
from registry.controller.health import Health
from registry.controller.routes import Reading
from tests.registry.cluster_objects.conftest import Namespace
from tests.registry.cluster_objects.fake_api import FakeApi


@dataclass(frozen=True)
class Ran:
    code: int
    output: str
    told: str


@dataclass
class Cluster:
    """A namespace whose controller turns by itself, reached through the API server's proxy."""

    namespace: Namespace
    ended: threading.Event
    turning: threading.Lock

    def run(self) -> None:
        while not self.ended.wait(0.01):
            with self.turning:
                self.namespace.turn()


@pytest.fixture
def cluster(fake: FakeApi, served: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    health = Health(lambda: True)
    health.turned(fine=True)
    server = Server(Reading(served.controller, health).routes(), host="127.0.0.1", port=0)
    server.start()
    served.api.proxied = f"http://127.0.0.1:{server.port}"
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig(tmp_path, served.api.url)))
    monkeypatch.setattr(ClusterPlace, "pace", 0.05)
    monkeypatch.setenv("GEOMETRY_HOME", str(tmp_path / "here"))
    made = Cluster(served, threading.Event(), threading.Lock())
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.ended.set()
    thread.join()
    server.stop()


def kubeconfig(folder: Path, url: str) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "ann",
        "clusters": [{"name": "fake", "cluster": {"server": url}}, gone()],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}} for name in ("ann", "bob")],
        "contexts": [
            *({"name": name, "context": {"cluster": "fake", "user": name, "namespace": "geometry"}}
              for name in ("ann", "bob")),
            {"name": "gone", "context": {"cluster": "gone", "user": "ann", "namespace": "geometry"}},
            {"name": "nowhere", "context": {"cluster": "fake", "user": "ann"}},
        ],
    }  # fmt: skip
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def gone() -> dict[str, object]:
    return {"name": "gone", "cluster": {"server": "http://127.0.0.1:9"}}


@pytest.fixture
def geometry(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    def ran(*arguments: str, context: str = "ann") -> Ran:
        monkeypatch.setattr(sys, "argv", ["geometry", *arguments, "--context", context])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        found = capsys.readouterr()
        return Ran(ended.value.code or 0, found.out, found.err)

    return ran


def test_promote_files_a_promotion_in_the_callers_name_and_says_that_it_was_accepted(cluster, geometry):
    ran = geometry("promote", "2", "--to", "production", "--yes")
    assert (ran.code, "accepted: started 2" in ran.told) == (0, True)
    spec = cluster.namespace.api.of("promotions")[-1]["spec"]
    assert spec == {"action": "promote", "model": "shapes", "version": "2", "to": "production", "requestedBy": "ann"}


def test_promote_waits_until_it_has_all_requests(cluster, geometry):
    ran = geometry("promote", "2", "--to", "production", "--yes", "--wait", "--timeout", "60")
    assert ran.code == 0, ran.told
    assert cluster.namespace.state().production == "2"


def test_what_the_rules_refuse_exits_3_with_the_reason(cluster, geometry):
    ran = geometry("promote", "7", "--to", "staging", "--yes")
    assert (ran.code, "has no version 7" in ran.told) == (3, True)


def test_an_unknown_model_exits_3_although_it_has_no_journal(cluster, geometry):
    ran = geometry("promote", "1", "--to", "staging", "--yes", "-m", "squares")
    assert (ran.code, "models here: shapes" in ran.told) == (3, True)


def test_another_name_than_the_callers_exits_3(cluster, geometry):
    ran = geometry("promote", "2", "--to", "staging", "--yes", "--as", "bob")
    assert (ran.code, "--as" in ran.told) == (3, True)


def test_status_says_what_it_says_on_one_machine(cluster, geometry):
    seen = json.loads(geometry("status", "-o", "json").output)
    assert (seen["production"], seen["seen"]["weights"]) == ("1", {"1": 100})
    assert "production 1" in geometry("status").output


def test_history_verifies_and_prints_the_journal(cluster, geometry):
    entries = json.loads(geometry("history", "-o", "json").output)
    assert [entry["kind"] for entry in entries][:3] == ["published", "published", "requested"]
    assert entries[2]["data"]["authenticated"] is True


def test_an_altered_journal_exits_5(cluster, geometry):
    with cluster.turning:
        path = cluster.namespace.home.journal / "shapes" / "000002.json"
        path.write_text(path.read_text().replace('"actor":"controller"', '"actor":"somebody"'))
        ran = geometry("history")
    cluster.ended.set()
    assert (ran.code, "altered" in ran.told) == (5, True)


def test_pause_resume_and_abort_are_said_to_the_promotion_in_progress(cluster, geometry):
    with cluster.turning:  # no evidence is collected meanwhile
        cluster.namespace.good, scrape = {}, cluster.namespace.controller.scrape
        cluster.namespace.controller.scrape = lambda *_, **__: ({}, {})
    assert geometry("promote", "2", "--to", "production", "--yes").code == 0
    options = {"pause": ["--reason", "lunch"], "abort": ["--yes", "--reason", "no longer wanted"]}
    for action, told in (
        ("pause", "paused 2 (lunch)"),
        ("resume", "resumed 2\n"),
        ("abort", "aborted 2 (no longer wanted)"),
    ):
        ran = geometry(action, *options.get(action, ()), context="bob")
        assert (ran.code, told in ran.told) == (0, True), ran.told
    cluster.namespace.controller.scrape = scrape
    assert [entry.actor for entry in cluster.namespace.entries() if entry.kind == "aborted"] == ["bob"]


def test_nothing_to_pause_exits_3_and_files_nothing(cluster, geometry):
    ran = geometry("pause")
    assert (ran.code, "no rollout is in progress" in ran.told) == (3, True)


def test_approve_names_the_digest_that_the_journal_has(cluster, geometry):
    ran = geometry("approve", "2", context="bob")
    assert (ran.code, "accepted: approved 2" in ran.told) == (0, True), ran.told
    digest = cluster.namespace.state().versions["2"].digest
    assert cluster.namespace.api.of("approvals")[0]["spec"]["digest"] == digest


def test_rollback_goes_back_inside_the_window(cluster, geometry):
    assert geometry("promote", "2", "--to", "production", "--yes", "--wait", "--timeout", "60").code == 0
    ran = geometry("rollback", "--yes", "--wait", "--timeout", "60")
    assert ran.code == 0, ran.told
    assert cluster.namespace.state().production == "1"


def test_models_list_get_and_compare_read_the_store_of_the_cluster(cluster, geometry):
    rows = json.loads(geometry("models", "list", "-o", "json").output)
    assert [(row["version"], row["stage"]) for row in rows] == [("1", "production"), ("2", "development")]
    assert json.loads(geometry("models", "get", "2", "-o", "json").output)["stage"] == "development"
    assert "1 → 2" in geometry("models", "compare", "1", "2").output


def test_a_version_that_does_not_verify_is_said_so(cluster, geometry):
    (cluster.namespace.home.store / "models" / "shapes" / "2" / "card.json").write_text("{}")
    ran = geometry("models", "get", "2")
    assert (ran.code, "card.json" in ran.told) == (1, True)


def test_check_runs_the_clusters_checklist(cluster, geometry):
    ran = geometry("check", "2")
    assert (ran.code, "latency" in ran.output) == (0, True), ran.told


def test_the_doctor_finds_nothing_where_all_is_well(cluster, geometry):
    ran = geometry("doctor")
    assert (ran.code, ran.told) == (0, "")
    assert "knows you as ann" in ran.output


def test_the_doctor_says_what_is_wrong_and_the_fix(cluster, geometry, fake):
    fake.served.discard("httproutes")
    (cluster.namespace.home.store / "models" / "shapes" / "2" / "card.json").write_text("{}")
    ran = geometry("doctor", "-o", "json")
    wrong = {found["what"]: found["detail"] for found in json.loads(ran.output) if found["result"] == "wrong"}
    assert ran.code == 1
    assert set(wrong) == {"Gateway API", "shapes 2"}
    assert "install Gateway API" in wrong["Gateway API"]


def test_a_dry_run_prints_what_would_be_recorded_and_files_nothing(cluster, geometry):
    ran = geometry("promote", "2", "--to", "production", "--dry-run")
    assert (ran.code, "would start: 1 → 2" in ran.output) == (0, True), ran.told
    assert len(cluster.namespace.api.of("promotions")) == 1


def test_a_report_is_written_on_this_machine(cluster, geometry):
    assert geometry("promote", "2", "--to", "production", "--yes", "--wait", "--timeout", "60").code == 0
    path = Path(geometry("report", "2").output.strip())
    assert "<html" in path.read_text()
    assert path.parts[-4:-2] == ("ann", "geometry")


def test_an_api_server_that_is_not_there_exits_5(cluster, geometry):
    assert geometry("status", context="gone").code == 5


def test_a_controller_that_is_not_there_exits_5_and_says_where_to_look(cluster, geometry):
    cluster.namespace.api.proxied = None
    ran = geometry("promote", "2", "--to", "staging", "--yes")
    assert (ran.code, "kubectl get pods -n geometry" in ran.told) == (5, True)


def test_a_context_without_a_namespace_wants_one(cluster, geometry):
    assert geometry("status", context="nowhere").code == 3
    assert geometry("status", "-n", "geometry", context="nowhere").code == 0


def test_a_context_that_is_not_there_exits_5(cluster, geometry):
    assert geometry("status", context="missing").code == 5


def test_a_backup_is_streamed_to_this_machine_and_proved_here(cluster, geometry, tmp_path):
    ran = geometry("backup", "--to", str(tmp_path / "backups"), "-o", "json")
    assert ran.code == 0, ran.told
    found = json.loads(ran.output)
    assert found["versions"] == {"shapes": 2}
    assert (Path(found["backup"]) / "journal" / "shapes.jsonl").exists()


def test_a_backup_that_does_not_prove_leaves_nothing(cluster, geometry, tmp_path):
    (cluster.namespace.home.store / "models" / "shapes" / "2" / "card.json").write_text("{}")
    assert geometry("backup", "--to", str(tmp_path / "backups")).code == 1
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".lock"]


def test_labels_are_taken_from_a_config_map_which_is_deleted_then(cluster, geometry, tmp_path):
    (tmp_path / "labels.jsonl").write_text('{"id": "a", "index": 0, "label": "circle"}\n')
    ran = geometry("label", str(tmp_path / "labels.jsonl"), "-o", "json")
    assert (ran.code, json.loads(ran.output)["unknown"]) == (0, 1), ran.told
    until(lambda: not cluster.namespace.api.of("configmaps"))


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_versions_are_compared_on_live_requests(cluster, geometry):
    ran = geometry("models", "compare", "1", "2", "--live", "--for", "60s", "--weight", "40", "-o", "json")
    found = json.loads(ran.output)
    assert (ran.code, found["outcome"], found["weight"], found["seconds"]) == (0, "over", 40, 60.0), ran.told
    assert found["signals"]["errors"]["candidate"]["exposure"] > 0
    spec = cluster.namespace.api.of("promotions")[-1]["spec"]
    assert {key: spec[key] for key in ("action", "base", "weight", "seconds")} == {
        "action": "compare", "base": "1", "weight": 40, "seconds": 60.0,
    }  # fmt: skip


def test_ctrl_c_before_the_journal_has_a_comparison_withdraws_it(cluster, geometry, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        threading.Timer(0.2, cluster.turning.release).start()
        raise KeyboardInterrupt

    monkeypatch.setattr("registry.cli.split.answer_to", interrupted)
    cluster.turning.acquire()
    ran = geometry("models", "compare", "1", "2", "--live")
    assert ran.code != 0
    assert "accepted: withdrawn" in ran.told or "accepted: aborted" in ran.told, ran.told
    assert (
        cluster.namespace.status(cluster.namespace.api.of("promotions")[-1]["metadata"]["name"])["phase"] == "Aborted"
    )
    assert cluster.namespace.state().rollout is None


@pytest.fixture
def offered(capsys, monkeypatch) -> Callable[..., list[str]]:
    """What the shell offers after these words."""

    def completed(*words: str) -> list[str]:
        monkeypatch.setenv("_GEOMETRY_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(("geometry", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setattr(sys, "argv", ["geometry"])
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        found = capsys.readouterr()
        assert found.err == ""
        return found.out.split()

    return completed


def test_a_tab_offers_versions_and_models_of_the_cluster(cluster, offered, monkeypatch):
    monkeypatch.setattr("registry.cli.completion.AT_ONCE", 60.0)
    assert offered("promote", "--context", "ann", "") == ["2", "1"]
    assert offered("promote", "--context", "ann", "-m", "s") == ["shapes"]
    monkeypatch.setenv("GEOMETRY_CONTEXT", "bob")
    assert offered("promote", "1") == ["1"]


@pytest.mark.parametrize("context", ["gone", "nowhere", "unknown"])
def test_a_tab_offers_nothing_and_says_nothing_where_no_cluster_answers(cluster, offered, context):
    assert offered("promote", "--context", context, "") == []


def test_a_tab_does_not_wait_for_a_controller_that_takes_its_time(cluster, offered, monkeypatch):
    waits = threading.Event()
    monkeypatch.setattr(ClusterPlace, "stored", lambda *_: waits.wait(600) and ["1"])
    assert offered("promote", "--context", "ann", "") == []
    waits.set()
