"""Questions to the API server: every answer becomes an object or an error of ours."""

from pathlib import Path

import pytest
import yaml
from kubernetes import client

from registry.adapters.cluster import api as module
from registry.adapters.cluster.api import HTTP_ROUTES, PODS, Api, connect
from registry.domain.errors import Conflict, NotFound, Refused, RegistryError, Unreachable
from tests.registry.cluster.driver import NAMESPACE, Driver
from tests.registry.cluster.server import SILENCE


@pytest.fixture
def api(driver: Driver) -> Api:
    settings = client.Configuration(host=driver.server.url)
    settings.retries = 0
    return Api(client.ApiClient(settings), NAMESPACE)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, Unreachable),
        (403, Refused),
        (404, NotFound),
        (409, Conflict),
        (422, Refused),
        (429, Unreachable),
        (503, Unreachable),
        (SILENCE, Unreachable),
    ],
)
def test_a_status_is_one_of_our_errors_and_nothing_is_asked_twice(
    driver: Driver, api: Api, status: int, error: type[RegistryError]
) -> None:
    driver.server.fail("GET", "pods", status)
    with pytest.raises(error):
        api.list(PODS)
    assert api.list(PODS) == []


def test_nobody_there_is_unreachable() -> None:
    settings = client.Configuration(host="http://127.0.0.1:9")
    settings.retries = 0
    with pytest.raises(Unreachable, match="Kubernetes API server: GET"):
        Api(client.ApiClient(settings), NAMESPACE).list(PODS)


def test_a_listed_object_says_what_it_is(driver: Driver, api: Api) -> None:
    driver.server.store("pods", {"metadata": {"name": "one"}})
    driver.server.store("httproutes", {"metadata": {"name": "two"}, "spec": {}})
    assert [(one["apiVersion"], one["kind"]) for one in (*api.list(PODS), *api.list(HTTP_ROUTES))] == [
        ("v1", "Pod"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ]


def test_only_the_object_that_was_seen_is_deleted(driver: Driver, api: Api) -> None:
    made = driver.server.store("httproutes", {"metadata": {"name": "two"}, "spec": {}})
    with pytest.raises(Conflict):
        api.delete(HTTP_ROUTES, "two", uid="another")
    api.delete(HTTP_ROUTES, "two", uid=made["metadata"]["uid"])
    api.delete(HTTP_ROUTES, "two", uid=made["metadata"]["uid"])
    assert driver.server.objects["httproutes"] == {}


def kubeconfig(folder: Path, **context: str) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **context}}],
    }
    (folder / "config").write_text(yaml.safe_dump(document))
    return folder / "config"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(kubeconfig(tmp_path, namespace="team"))
    monkeypatch.setattr(module.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", path)


@pytest.mark.usefixtures("configured")
def test_a_context_brings_its_namespace_and_another_one_may_be_named() -> None:
    assert (connect("here").namespace, connect("here", "other").namespace) == ("team", "other")


@pytest.mark.usefixtures("configured")
def test_a_context_that_is_not_there_says_where_to_look() -> None:
    with pytest.raises(Unreachable, match="kubectl config get-contexts"):
        connect("nowhere")
