"""Every method on every route, and addresses that are not what they seem."""

import re

import httpx
import pytest

from tests.hostile.conftest import V1, V2
from tests.hostile.oracle import refused
from tests.hostile.wire import Wire, request

READ = ["/", "/health", "/metrics", "/metrics/summary", "/docs", "/outcomes", "/openapi.json", "/v1/models"]
READ += ["/v1/models/shapes", "/v2", "/v2/models", "/v2/models/shapes", "/v2/models/shapes/ready"]
READ += ["/v2/health/live", "/v2/health/ready"]
WRITE = [V1, V2, "/predict", "/predict/batch", "/v1/models/shapes:explain"]
OTHERS = ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "COW"]


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("path", [*READ, *WRITE])
def test_a_method_that_a_route_does_not_have_is_refused(wire: Wire, path: str, method: str) -> None:
    answer = wire.send(request(method, path, b"{}")).reply()
    assert refused(answer)
    assert answer.status in (400, 404, 405, 501)


@pytest.mark.parametrize("path", READ)
def test_head_is_get_without_a_body_or_not_there(wire: Wire, path: str) -> None:
    answer = wire.send(request("HEAD", path, length=False)).reply(head=True)
    assert answer.status in (200, 405)
    assert wire.send(request("GET", "/health", length=False)).reply().status == 200


@pytest.mark.parametrize("path", WRITE)
def test_head_asks_for_no_prediction(wire: Wire, path: str) -> None:
    assert wire.send(request("HEAD", path, length=False)).reply(head=True).status in (405, 501)
    assert wire.send(request("GET", "/health", length=False)).reply().status == 200


# Either what it stands for once it is read, or nothing: never another thing.
ADDRESSES = [
    "//health",
    "/health/",
    "/Health",
    "/./health",
    "/../health",
    "/v2/../health",
    "/%2e%2e/health",
    "/%68ealth",
    "/health%00",
    "/health%0d%0aX:%20y",
    "/health;a=b",
    "/v1/models/shapes%3Apredict",
    "/v1/models/shapes:predict/",
    "/v1/models/sha%70es",
    "/v1/models/shapes/../shapes",
    "/v1/models/shapes/../../../etc/passwd",
    "/docs/../../etc/passwd",
    "/docs/..%2f..%2f..%2fetc%2fpasswd",
    "/docs/%2e%2e/%2e%2e/etc/passwd",
    "/docs//etc/passwd",
    "/static/../../predictor/server",
    "/v1/models/%ff%fe",
    "/v1/models/%zz",
    "/v1/models/%",
    "/v1/models/{model_name}",
    "/v1/models/" + "a" * 5000,
    "/v2/models/shapes/versions//infer",
    "/v2/models/shapes/versions/1/versions/1",
    "/v2/models//ready",
    "/v2/repository/models/shapes/unload",
    "/v2/%72epository/models/shapes/unload",
    "/v2//repository/models/shapes/unload",
    "/v2/repository/../repository/models/shapes/unload",
    "/openai/v1/models",
    "/v2/models/shapes/explain",
    "/v2/models/shapes/generate",
    "/redoc",
    "/.git/config",
    "/é",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ADDRESSES)
def test_an_address_is_what_it_stands_for_or_nothing(wire: Wire, http: httpx.Client, path: str, method: str) -> None:
    answer = wire.send(request(method, path)).reply()
    if answer is not None and answer.status != 200:
        refused(answer)
    assert answer is None or b"root:" not in answer.body
    assert http.get("/v2/models/shapes/ready").status_code == 200


@pytest.mark.parametrize(
    "target", ["http://x/health", "http://other.host/health", "http://x:9/health?a=b", "HTTP://X/health"]
)
def test_an_absolute_address_is_its_path(wire: Wire, target: str) -> None:
    answer = wire.send(request("GET", target, length=False)).reply()
    assert answer.status == 200 or refused(answer)


@pytest.mark.parametrize(
    "target", ["*", "x", "health", "other.host:80", "http://", "http:///health", "?", "#", "\\health"]
)
def test_an_address_that_is_none_is_refused(wire: Wire, target: str) -> None:
    answer = wire.send(request("GET", target, length=False)).reply()
    assert answer is None or refused(answer)


QUERIES = ["?", "?a", "?" + "a=b&" * 1000, "?%00", "?after=" + "x" * 4000, "?after=%ff", "?after=1&after=2", "?after="]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", ["/outcomes", "/metrics", "/metrics/summary", "/v2/models/shapes"])
def test_a_query_nobody_asked_for_harms_nobody(http: httpx.Client, path: str, query: str) -> None:
    answer = http.get(path + query)
    assert answer.status_code == 200 or refused(answer)


IDS = ["a b", "a\tb", "é", "\x7f", "a" * 129, "a" * 4000, "", "%0d%0a", "'; drop table x; --", "<script>"]


@pytest.mark.parametrize("given", IDS)
def test_a_request_id_is_echoed_only_if_it_is_one(wire: Wire, given: str) -> None:
    answer = wire.send(request("GET", "/nowhere", b"", f"X-Request-Id: {given}", length=False)).reply()
    assert refused(answer)
    told = answer.headers["x-request-id"]
    assert re.fullmatch("[!-~]{1,128}", told)
    assert (told == given) == bool(re.fullmatch("[!-~]{1,128}", given))


@pytest.mark.parametrize("traffic", ["live ", "LIVE", "live,live", "live; x", "shadow", "a" * 1000, "\xff"])
def test_traffic_is_one_of_two_whatever_is_sent(wire: Wire, png: bytes, traffic: str) -> None:
    headers = ("Content-Type: image/png", f"X-Traffic: {traffic}")
    assert wire.send(request("POST", V1, png, *headers)).reply().status == 200
