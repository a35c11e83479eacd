"""Labels from the spool to the journal, of live requests that a real Envoy copied to the canary."""

import http.client
import json

import pytest

from registry.domain.answers import Key
from tests.registry.controller.conftest import POLICY, SHAPES, Installation

MIRRORED = POLICY.replace("[{weight", "[{mirror: 100, soak: 3600}, {weight")


@pytest.fixture
def mirrored(served: Installation) -> Installation:
    """Version 2, which calls everything a star, gets copies of what version 1 calls circles."""
    (served.home.store / "models/shapes/2.json").write_text(json.dumps({"class": "star"}))
    served.home.policy.write_text(MIRRORED)
    served.second()
    served.until(lambda: served.state().rollout is not None and served.state().rollout.mirror == 100)
    return served


def ask(place: Installation, *ids: str) -> None:
    """Requests with these ids."""
    for id in ids:
        connection = http.client.HTTPConnection("127.0.0.1", place.ports.public, timeout=20)
        connection.request("POST", "/v1/models/shapes:predict", body=b"image", headers={"x-request-id": id})
        assert connection.getresponse().headers["x-request-id"] == id
        connection.close()


def pairs(place: Installation) -> int:
    """So many both have answered."""
    verdict = place.view().get("verdict") or {}
    return verdict["numbers"]["signals"]["agreement"]["total"]["canary_exposure"] if verdict else 0


def answered(place: Installation, *ids: str) -> None:
    """Requests with these ids, answered by both: copies begin when the route has them, and take their time."""
    made = 0

    def both() -> bool:
        nonlocal made
        made += 1
        ask(place, f"probe{made}")
        return pairs(place) > 0

    place.until(both)
    before = pairs(place)
    ask(place, *ids)
    place.until(lambda: pairs(place) >= before + len(ids))


def test_labels_by_request_id_send_a_mirrored_canary_back(mirrored: Installation) -> None:
    ids = [f"r{number}" for number in range(30)]
    answered(mirrored, *ids)
    spool = mirrored.home.labels_of(SHAPES)
    spool.add([(Key(id, 0), "circle") for id in [*ids, "nobody"]], now=mirrored.now())
    mirrored.until(lambda: mirrored.state().rollout is None)
    data = mirrored.last("labelled").data
    assert (data["taken"], data["unknown"]) == (30, 1)
    assert data["pairs"] == {"version": "2", "both_right": 0, "canary_wrong": 30, "stable_wrong": 0, "both_wrong": 0}
    assert mirrored.last("rolled_back").data["numbers"]["signal"] == "labels"
    assert spool.files() == []
    assert mirrored.weights() == {"1": 100}


def test_a_controller_killed_between_record_and_removal_counts_nothing_twice(mirrored: Installation) -> None:
    answered(mirrored, "a")
    spool = mirrored.home.labels_of(SHAPES)
    spool.add([(Key("a", 0), "circle")], now=mirrored.now())
    (path,) = spool.files()
    content = path.read_bytes()
    mirrored.until(lambda: not spool.files())
    path.write_bytes(content)  # as it was before the removal
    mirrored.restart()
    mirrored.until(lambda: not spool.files())
    assert mirrored.kinds().count("labelled") == 1
    spool.add([(Key("a", 0), "star")], now=mirrored.now())
    mirrored.until(lambda: mirrored.kinds().count("labelled") == 2)
    assert mirrored.last("labelled").data["repeated"] == 1


def test_a_file_that_is_none_of_labels_holds_nobody_up(served: Installation) -> None:
    ask(served, "a")
    spool = served.home.labels_of(SHAPES)
    spool.add([(Key("a", 0), "circle")], now=served.now())
    (spool.directory / "0.jsonl").write_text("circle\n")
    served.until(lambda: "labelled" in served.kinds())
    assert served.last("labelled").data["versions"] == {"1": {"right": 1, "wrong": 0}}
    assert (spool.directory / "0.jsonl.wrong").exists()
