import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from registry.adapters.tracking import Projection, main, project
from registry.domain.errors import Unreachable
from registry.domain.version import DEFAULT_MODEL, Version

ONE, TWO, THREE = Version("1"), Version("2"), Version("3")
DIGESTS = {ONE: "a" * 64, TWO: "b" * 64, THREE: "c" * 64}


@pytest.fixture(scope="session")
def schema(tmp_path_factory):
    """A database with the schema and two versions of `shapes`: making one costs seconds, copying it nothing."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    client = MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}")
    client.create_registered_model("shapes")
    for version in (ONE, TWO):
        tags = {"version": version, "digest": DIGESTS[version]}
        client.create_model_version("shapes", source="file:///model", tags=tags)
    return path


@pytest.fixture
def tracking(schema, tmp_path):
    path = tmp_path / "mlflow.db"
    shutil.copy(schema, path)
    uri = f"sqlite:///{path}"
    return SimpleNamespace(uri=uri, client=MlflowClient(uri, uri))


def projected(tracking, stages, *, digests=DIGESTS, production=None, staging=None, previous=None, uri=None):
    return project(
        tracking_uri=uri or tracking.uri,
        model=DEFAULT_MODEL,
        stages=stages,
        digests=digests,
        production=production,
        staging=staging,
        previous=previous,
    )


def aliases(tracking):
    return {alias: str(version) for alias, version in tracking.client.get_registered_model("shapes").aliases.items()}


def stage(tracking, version):
    return tracking.client.get_model_version("shapes", version).tags.get("stage")


def test_stages_and_aliases_are_written(tracking):
    projection = projected(tracking, {ONE: "production", TWO: "staging"}, production=ONE, staging=TWO)
    assert len(projection.changes) == 4
    assert aliases(tracking) == {"production": "1", "staging": "2"}
    assert (stage(tracking, "1"), stage(tracking, "2")) == ("production", "staging")


def test_a_second_projection_changes_nothing(tracking):
    projected(tracking, {ONE: "production"}, production=ONE)
    assert projected(tracking, {ONE: "production"}, production=ONE) == Projection((), ())


def test_a_promotion_moves_the_aliases(tracking):
    projected(tracking, {ONE: "production", TWO: "staging"}, production=ONE, staging=TWO)
    projection = projected(tracking, {ONE: "archived", TWO: "production"}, production=TWO, previous=ONE)
    assert aliases(tracking) == {"production": "2", "previous": "1"}
    assert "version 1: stage production → archived" in projection.changes
    assert "alias staging: removed" in projection.changes


def test_an_alias_of_the_user_stays(tracking):
    tracking.client.set_registered_model_alias("shapes", "favourite", "1")
    assert projected(tracking, {TWO: "production"}, production=TWO).changes
    assert aliases(tracking) == {"favourite": "1", "production": "2"}


def test_a_version_mlflow_lacks_is_named_and_takes_the_alias_away(tracking):
    projected(tracking, {ONE: "production"}, production=ONE)
    projection = projected(tracking, {THREE: "production"}, production=THREE)
    assert projection == Projection(("alias production: removed",), (THREE,))
    assert aliases(tracking) == {}


def test_another_digest_is_another_version(tracking):
    projection = projected(tracking, {ONE: "production"}, digests={ONE: "d" * 64}, production=ONE)
    assert projection == Projection((), (ONE,))
    assert stage(tracking, "1") is None


def test_of_two_registrations_the_newer_is_taken(tracking):
    tags = {"version": ONE, "digest": DIGESTS[ONE]}
    tracking.client.create_model_version("shapes", source="file:///model", tags=tags)
    projected(tracking, {ONE: "production"}, production=ONE)
    assert aliases(tracking) == {"production": "3"}


def test_a_model_mlflow_does_not_know_is_left_alone(tracking):
    tracking.client.delete_registered_model("shapes")
    assert projected(tracking, {ONE: "production"}, production=ONE) == Projection((), (ONE,))
    assert tracking.client.search_registered_models() == []


def test_a_missing_database_is_not_created(tmp_path):
    path = tmp_path / "none" / "mlflow.db"
    assert projected(None, {ONE: "production"}, uri=f"sqlite:///{path}").absent == (ONE,)
    assert not path.parent.exists()


def test_a_damaged_database_is_unreachable_in_one_line(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(Unreachable, match="MLflow did not answer") as caught:
        projected(None, {ONE: "production"}, uri=f"sqlite:///{path}")
    assert "\n" not in str(caught.value)


def document(**fields):
    return json.dumps({"model": "shapes", "stages": {"1": "production"}, "digests": dict(DIGESTS), **fields}).encode()


def test_the_command_prints_what_it_changed(tracking):
    answer = subprocess.run(
        [sys.executable, "-m", "registry.adapters.tracking"],
        input=document(tracking_uri=tracking.uri, production="1", staging=None),
        capture_output=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    changes = ["version 1: stage none → production", "alias production: version 1"]
    assert json.loads(answer.stdout) == {"changes": changes, "absent": []}
    assert aliases(tracking) == {"production": "1"}


def test_a_server_that_is_away_ends_the_command_with_5(monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(document(tracking_uri="http://127.0.0.1:1")) == 5
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("MLflow did not answer")


def test_the_command_names_what_it_does_not_understand(capsys):
    assert main(b'{"tracking_uri": "sqlite:///none.db"}') == 1
    assert capsys.readouterr().err == "projection: model is missing\n"
