"""Which counters a request moves: those of its traffic, as the gateway's header says, and no others."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from predictor.metrics import ERRORS, LATENCY

PATH = "/v1/models/shapes:predict"
OWN = {"model": "shapes", "version": "1"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(client: httpx.Client) -> Samples:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


@pytest.mark.parametrize("traffic", ["live", "pinned"])
def test_requests_count_where_their_header_says(client: httpx.Client, png: bytes, traffic: str) -> None:
    before = scrape(client)
    headers = {"x-traffic": traffic, "content-type": "image/png"}
    client.post(PATH, content=png, headers=headers)
    client.post(PATH, content=b"hallo", headers=headers)
    client.post("/v1/models/other:predict", content=png, headers=headers)
    after = scrape(client)
    changed = {
        dict(labels)["traffic"]
        for (name, labels), count in after.items()
        if name.startswith("ml_geometry") and count != before[name, labels]
    }
    assert changed == {traffic}
    own = frozenset({**OWN, "traffic": traffic}.items())
    wanted = [(f"{LATENCY}_count", own), *((ERRORS, own | {("reason", why)}) for why in ("bad_image", "not_found"))]
    assert [after[name, labels] - before[name, labels] for name, labels in wanted] == [1, 1, 1]


def test_any_other_traffic_is_pinned_and_makes_no_label(client: httpx.Client) -> None:
    own = frozenset({**OWN, "traffic": "pinned", "reason": "bad_request"}.items())
    before = scrape(client)
    client.post(PATH, content=b"{}", headers={"x-traffic": "x" * 50})
    after = scrape(client)
    assert after[ERRORS, own] == before[ERRORS, own] + 1
    assert after.keys() == before.keys()
