"""Everything there is to read: metadata, health, documentation, metrics, outcomes; and nothing there is to change."""

import re
from datetime import datetime
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from predictor.served import Served
from tests.predictor.conftest import RunningServer, message
from tests.predictor.protocols.answers import HEADERS

READ = ["/", "/health", "/metrics", "/metrics/summary", "/docs", "/outcomes", "/openapi.json"]
READ += ["/v1/models", "/v1/models/shapes", "/v2", "/v2/models", "/v2/models/shapes", "/v2/models/shapes/ready"]
READ += ["/v2/health/live", "/v2/health/ready", "/v2/models/shapes/versions/1", "/v2/models/shapes/versions/1/ready"]
PREDICT = ["/v1/models/shapes:predict", "/v2/models/shapes/infer", "/predict", "/predict/batch"]
CHANGING = ["POST", "PUT", "PATCH", "DELETE"]
REPOSITORY = [f"/v2/repository/{what}" for what in ("index", "models/shapes/load", "models/shapes/unload")]


@pytest.mark.parametrize("path", READ)
def test_what_can_be_read_says_who_answers(client: httpx.Client, served: Served, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    version, digest, request_id = (answer.headers[name] for name in HEADERS)
    assert (version, digest, bool(request_id)) == ("1", served.digest, True)


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize("path", READ)
def test_what_can_be_read_cannot_be_written(client: httpx.Client, path: str, method: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code in (404, 405)
    assert message(answer)


@pytest.mark.parametrize("path", PREDICT)
def test_predicting_wants_post_and_says_so(client: httpx.Client, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert message(answer) == f"found {method}, wanted POST"


@pytest.mark.parametrize("method", ["GET", *CHANGING])
@pytest.mark.parametrize("path", REPOSITORY)
def test_nothing_is_loaded_or_unloaded_over_the_network(client: httpx.Client, path: str, method: str) -> None:
    assert client.request(method, path).status_code == 404
    assert client.get("/v2/models/shapes/ready").status_code == 200


def test_the_description_of_the_routes_names_none_that_changes_anything(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    changing = {path for path, methods in paths.items() if set(methods) - {"get", "head", "parameters"}}
    plain = {re.sub(r"\{[^}]*\}", "shapes", path) for path in changing}
    assert plain == set(PREDICT)


def test_the_server_is_described(client: httpx.Client) -> None:
    document = client.get("/v2").json()
    assert set(document) == {"name", "version", "extensions"}
    assert "binary_tensor_data" in document["extensions"]
    assert not [name for name in document["extensions"] if "repository" in name]
    assert client.get("/v2/").status_code == 200


@pytest.mark.parametrize("path", ["/v2/models/shapes", "/v2/models/shapes/versions/1"])
def test_the_model_is_described(client: httpx.Client, path: str) -> None:
    document = client.get(path).json()
    assert (document["name"], document["versions"], bool(document["platform"])) == ("shapes", ["1"], True)
    assert document["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert document["outputs"] == [
        {"name": "class", "datatype": "BYTES", "shape": [-1]},
        {"name": "confidence", "datatype": "FP32", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 8]},
    ]


def test_another_model_or_version_is_not_described(client: httpx.Client) -> None:
    for path in ("/v1/models/other", "/v2/models/other", "/v2/models/shapes/versions/2/ready"):
        assert client.get(path).status_code == 404


def test_the_pages_bring_everything_from_here(client: httpx.Client, server: RunningServer) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"'#]+)["']""", page.text)
    assert len(named) >= 3  # a style, a script, a description
    for name in named:
        address = urljoin(f"{server.url}/docs", name)
        assert urlsplit(address).netloc == urlsplit(server.url).netloc
        assert client.get(address).status_code == 200
    assert not re.search(r"https?://(?!127\.0\.0\.1)[\w.-]+/\S*\.(js|css|png)", page.text)


def test_health_says_who_is_ready(client: httpx.Client, served: Served) -> None:
    told = client.get("/health").json()
    assert (told["ready"], told["model"], told["version"], told["digest"]) == (True, "shapes", "1", served.digest)


def test_the_summary_counts(client: httpx.Client, texts: list[str]) -> None:
    before = client.get("/metrics/summary").json()
    client.post("/predict/batch", json={"images": texts[:5]})
    after = client.get("/metrics/summary").json()
    assert sum(after["classes"].values()) == sum(before["classes"].values()) + 5
    assert set(after["latency"]) == {"p50", "p95", "p99"}
    assert after["images"] == before["images"] + 5
    assert 0 < after["mean_confidence"] <= 1
    assert set(after["errors"]) >= {"bad_request", "internal", "overloaded"}


def test_outcomes_tell_each_image_once(client: httpx.Client, texts: list[str], served: Served) -> None:
    cursor = client.get("/outcomes").json()["cursor"]
    headers = {"x-request-id": "pages-1", "x-traffic": "live"}
    answer = client.post("/predict/batch", json={"images": texts[:2]}, headers=headers).json()
    told = client.get("/outcomes", params={"after": cursor}).json()
    assert told["lost"] == 0
    assert [(item["id"], item["index"], item["traffic"]) for item in told["outcomes"]] == [
        ("pages-1", 0, "live"),
        ("pages-1", 1, "live"),
    ]
    assert [item["class"] for item in told["outcomes"]] == [item["class"] for item in answer["predictions"]]
    assert all(datetime.fromisoformat(item["time"]).tzinfo and 0 < item["confidence"] <= 1 for item in told["outcomes"])
    assert client.get("/outcomes", params={"after": told["cursor"]}).json()["outcomes"] == []


def test_an_unknown_cursor_starts_at_the_oldest(client: httpx.Client, texts: list[str]) -> None:
    client.post("/predict", json={"image": texts[0]})
    told = client.get("/outcomes", params={"after": "nonsense"}).json()
    assert (told["lost"], bool(told["outcomes"])) == (None, True)
