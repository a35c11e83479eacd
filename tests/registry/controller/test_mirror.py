"""A real MLflow beside a controller: what it shows follows the journal, and what it loses changes nothing."""

import json
import os
import shutil
import subprocess
import sys

from mlflow import MlflowClient

from registry.adapters.mirroring import main
from registry.adapters.projector import Projector
from registry.domain.version import Version
from registry.store.home import Home
from tests.registry.controller.conftest import SHAPES


class Tracking:
    """MLflow's database in the installation's folder, with a run that version 1 is registered from."""

    def __init__(self, schema, home, digest):
        self.home = home
        shutil.copy(schema, home.root / "mlflow.db")
        self.client = MlflowClient(home.tracking_uri, home.tracking_uri)
        experiment = self.client.create_experiment("shapes", artifact_location=(home.root / "mlartifacts").as_uri())
        self.run = self.client.create_run(experiment).info.run_id
        self.client.create_registered_model("shapes")
        tags = {"version": "1", "digest": digest}
        self.client.create_model_version("shapes", f"runs:/{self.run}/model", self.run, tags=tags)

    @property
    def aliases(self):
        return set(self.client.get_registered_model("shapes").aliases)

    @property
    def artifacts(self):
        return self.home.root / "mlartifacts" / self.run / "artifacts"

    def collect(self):
        """`mlflow runs delete` and `mlflow gc`, in one process: MLflow takes seconds to start."""
        delete = ["runs", "delete", "--run-id", self.run]
        collect = ["gc", "--backend-store-uri", self.home.tracking_uri, "--run-ids", self.run]
        code = f"from mlflow.cli import cli\nfor line in {[delete, collect]}: cli(line, standalone_mode=False)"
        environment = {**os.environ, "MLFLOW_TRACKING_URI": self.home.tracking_uri}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, timeout=90)


def projected(home, capsys):
    """One projection, in this process; the exit code and the answer."""
    capsys.readouterr()
    code = main([str(home.root), SHAPES], home.tracking_uri)
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_run_of_what_serves_is_collected_as_garbage_and_it_serves_on(served, mlflow_schema, capsys):
    home, state = served.home, served.state()
    tracking = Tracking(mlflow_schema, home, state.version(Version("1")).digest)
    served.controller.projector = Projector(home.root, home.tracking_uri, lambda command: command)
    served.controller.turn()
    served.controller.projector._running.process.wait(90)
    assert tracking.aliases == {"production"}
    assert tracking.artifacts.joinpath("rollouts").exists()

    tracking.collect()
    assert not tracking.artifacts.exists()

    served.restart()
    served.until(lambda: served.ask()[0] == 200)
    assert home.versions().verify(SHAPES, Version("1"), home.trust()).digest == state.version(Version("1")).digest

    code, answer = projected(home, capsys)
    assert (code, answer["absent"], tracking.aliases) == (0, [], {"production"})
    assert "not attached" in answer["behind"][0]
    tracking.client.delete_model_version("shapes", "1")
    code, answer = projected(home, capsys)
    assert (code, answer["absent"], answer["behind"]) == (0, ["1"], [])


def test_reports_are_written_without_any_mlflow(served, capsys):
    assert projected(served.home, capsys) == (0, {"changes": [], "absent": ["1"], "behind": []})
    (report,) = (served.home.root / "reports" / SHAPES).iterdir()
    assert "version 1 promoted" in report.read_text()


def test_a_report_that_cannot_be_written_is_told_and_keeps_no_projection_away(served, capsys):
    (served.home.root / "reports").write_text("in the way")
    code, answer = projected(served.home, capsys)
    assert (code, answer["absent"]) == (0, ["1"])
    assert answer["behind"][0].startswith("reports: not written")


def test_without_an_mlflow_turns_go_on_and_it_is_told(served, caplog):
    served.controller.projector = Projector(served.home.root, served.home.tracking_uri, lambda command: command)
    served.until(lambda: "tracking.behind model=shapes reason=MLflow lacks version 1" in caplog.text, seconds=60)
    served.controller.projector.stop()
    assert (served.problem(), served.weights(), served.ask()[0]) == ("", {"1": 100}, 200)


def test_a_journal_that_cannot_be_read_is_told(served, capsys):
    shutil.copytree(served.home.journal, copy := served.home.root / "copy/journal")
    (copy / "shapes/000002.json").write_text("{}")
    assert main([str(copy.parent), SHAPES], Home(copy.parent).tracking_uri) == 1
    assert "000002" in capsys.readouterr().out
