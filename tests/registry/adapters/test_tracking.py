import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from registry.adapters.tracking import Projection, Report, project
from registry.domain.errors import Unreachable
from registry.domain.mirror import Mirrored
from registry.domain.version import DEFAULT_MODEL, Version

ONE, TWO, THREE = Version("1"), Version("2"), Version("3")
DIGESTS = {ONE: "a" * 64, TWO: "b" * 64, THREE: "c" * 64}


@pytest.fixture(scope="session")
def schema(mlflow_schema, tmp_path_factory):
    """Two versions of `shapes`, each with the run it was trained in."""
    path = tmp_path_factory.mktemp("versions") / "mlflow.db"
    shutil.copy(mlflow_schema, path)
    client = MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}")
    client.create_registered_model("shapes")
    experiment = client.create_experiment("shapes", artifact_location=(path.parent / "artifacts").as_uri())
    runs = {}
    for version in (ONE, TWO):
        tags = {"version": version, "digest": DIGESTS[version]}
        runs[version] = client.create_run(experiment).info.run_id
        client.create_model_version("shapes", source="file:///model", run_id=runs[version], tags=tags)
    return SimpleNamespace(path=path, runs=runs)


@pytest.fixture
def tracking(schema, tmp_path):
    path = tmp_path / "mlflow.db"
    shutil.copy(schema.path, path)
    uri = f"sqlite:///{path}"
    return SimpleNamespace(uri=uri, client=MlflowClient(uri, uri), runs=schema.runs)


def told(stages, *, digests=DIGESTS, **holders):
    """What a journal says that put versions into these stages and gave these aliases."""
    tags = {
        v: {"version": v, "digest": digests[v], "stage": stage, "promotion": "somehow"} for v, stage in stages.items()
    }
    return Mirrored(DEFAULT_MODEL, tags, {"production": None, "staging": None, "previous": None, **holders})


def projected(tracking, stages, *, digests=DIGESTS, uri=None, run_of=lambda version: None, reports=(), **holders):
    wanted = told(stages, digests=digests, **holders)
    return project(tracking_uri=uri or tracking.uri, wanted=wanted, run_of=run_of, reports=reports)


def aliases(tracking):
    return {alias: str(version) for alias, version in tracking.client.get_registered_model("shapes").aliases.items()}


def tag(tracking, version, name):
    return tracking.client.get_model_version("shapes", version).tags.get(name)


def stage(tracking, version):
    return tag(tracking, version, "stage")


def test_stages_and_aliases_are_written(tracking):
    projection = projected(tracking, {ONE: "production", TWO: "staging"}, production=ONE, staging=TWO)
    assert len(projection.changes) == 6
    assert aliases(tracking) == {"production": "1", "staging": "2"}
    assert (stage(tracking, "1"), stage(tracking, "2")) == ("production", "staging")


def test_a_second_projection_changes_nothing(tracking):
    projected(tracking, {ONE: "production"}, production=ONE)
    assert projected(tracking, {ONE: "production"}, production=ONE) == Projection()


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
    assert projection == Projection(absent=(ONE,))
    assert stage(tracking, "1") is None


def test_of_two_registrations_the_newer_is_taken(tracking):
    tags = {"version": ONE, "digest": DIGESTS[ONE]}
    tracking.client.create_model_version("shapes", source="file:///model", tags=tags)
    projected(tracking, {ONE: "production"}, production=ONE)
    assert aliases(tracking) == {"production": "3"}


def test_a_model_mlflow_does_not_know_is_left_alone(tracking):
    tracking.client.delete_registered_model("shapes")
    assert projected(tracking, {ONE: "production"}, production=ONE) == Projection(absent=(ONE,))
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


def test_what_somebody_altered_comes_back(tracking):
    projected(tracking, {ONE: "production", TWO: "development"}, production=ONE)
    tracking.client.set_registered_model_alias("shapes", "production", "2")
    tracking.client.set_registered_model_alias("shapes", "canary", "2")
    tracking.client.set_model_version_tag("shapes", "1", "promotion", "by me")
    tracking.client.delete_model_version_tag("shapes", "2", "stage")
    projection = projected(tracking, {ONE: "production", TWO: "development"}, production=ONE, canary=None)
    assert len(projection.changes) == 4
    assert aliases(tracking) == {"production": "1"}
    assert (tag(tracking, "1", "promotion"), tag(tracking, "2", "stage")) == ("somehow", "development")


@pytest.mark.parametrize("altered", ["version", "digest"])
def test_a_version_whose_own_tags_were_altered_is_known_by_its_run(tracking, altered):
    tracking.client.set_model_version_tag("shapes", "1", altered, "2")
    projection = projected(tracking, {ONE: "production"}, run_of=tracking.runs.get, production=ONE)
    assert projection.absent == ()
    assert (tag(tracking, "1", "version"), tag(tracking, "1", "digest")) == (ONE, DIGESTS[ONE])
    assert aliases(tracking) == {"production": "1"}


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "17.html"
    path.write_text("promoted")
    return path


def attached(tracking, version):
    return [found.path for found in tracking.client.list_artifacts(tracking.runs[version], "rollouts")]


def test_a_report_is_attached_to_the_run_of_its_version_and_named(tracking, page):
    projection = projected(tracking, {TWO: "production"}, reports=[Report(TWO, page)])
    assert projection.unattached == ()
    assert "version 2: report rollouts/17.html attached" in projection.changes
    assert (attached(tracking, TWO), tag(tracking, "2", "report")) == (["rollouts/17.html"], "rollouts/17.html")
    assert projected(tracking, {TWO: "production"}, reports=[Report(TWO, page)]) == Projection()


def test_a_report_that_is_told_on_replaces_what_the_run_has(tracking, page):
    projected(tracking, {TWO: "production"}, reports=[Report(TWO, page)])
    page.write_text("promoted, then rolled back")
    assert len(projected(tracking, {TWO: "production"}, reports=[Report(TWO, page)]).changes) == 1
    kept = tracking.client.download_artifacts(tracking.runs[TWO], "rollouts/17.html")
    assert Path(kept).read_text() == "promoted, then rolled back"


def test_of_several_reports_the_newest_is_named(tracking, page):
    later = page.with_name("40.html")
    later.write_text("aborted")
    projected(tracking, {ONE: "production"}, reports=[Report(ONE, page), Report(ONE, later)])
    assert attached(tracking, ONE) == ["rollouts/17.html", "rollouts/40.html"]
    assert tag(tracking, "1", "report") == "rollouts/40.html"


def test_a_report_that_cannot_be_attached_keeps_no_tag_nor_alias_away(tracking, page):
    tracking.client.delete_run(tracking.runs[ONE])
    both = [Report(ONE, page), Report(TWO, page)]
    projection = projected(tracking, {ONE: "archived", TWO: "production"}, production=TWO, reports=both)
    (unattached,) = projection.unattached
    assert unattached.startswith("reports of version 1: not attached")
    assert (stage(tracking, "1"), tag(tracking, "1", "report")) == ("archived", None)
    assert (aliases(tracking), tag(tracking, "2", "report")) == ({"production": "2"}, "rollouts/17.html")
