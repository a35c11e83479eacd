"""What a KServe controller reads from the objects, for one machine."""

import copy
from pathlib import Path

import pytest

from registry.adapters.local.workloads import routes, workloads
from registry.domain.errors import InvalidDocument, InvalidName
from registry.domain.objects import render
from registry.domain.policy import Serving


@pytest.fixture
def objects(templates, release):
    return copy.deepcopy(render(release(("3", 90), ("1.0.0", 10), staging="5"), templates, Serving()))


def test_every_revision_of_both_services_is_a_workload(objects):
    found = [(item.service, item.version, item.staging) for item in workloads(objects)]
    assert found == [
        ("shapes-v3-predictor", "3", False),
        ("shapes-v1-0-0-predictor", "1.0.0", False),
        ("shapes-staging-v5-predictor", "5", True),
    ]


def test_a_workload_has_the_directory_digest_and_environment_of_its_revision(objects, digest):
    first = workloads(objects)[0]
    assert (first.directory, first.digest) == (Path("models/shapes/3"), digest("3"))
    assert dict(first.environment)["MODEL_DIGEST"] == digest("3")


def test_live_and_pinned_routes_are_told_apart(objects):
    names = [[item["metadata"]["name"] for item in routes(objects, live=live)] for live in (True, False)]
    assert names == [["shapes"], ["shapes-pinned", "shapes-staging-pinned"]]


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("storageUri", "s3://elsewhere/models/shapes/3", "storageUri"),
        ("storageUri", "pvc://model-store/models/shapes", "storageUri"),
        ("storageUri", "pvc://model-store/models/shapes/..", "version"),
        ("storageUri", "pvc://model-store/models/../3", "model name"),
        ("runtime", "geometry-ffffffff", "runtime geometry-ffffffff is not among the objects"),
        ("env", [], "MODEL_DIGEST is missing"),
    ],
)
def test_bad_objects_are_refused(objects, key, value, complaint):
    objects[1]["spec"]["predictor"]["model"][key] = value
    with pytest.raises((InvalidDocument, InvalidName), match=complaint):
        workloads(objects)
