"""Envoy's configuration from HTTPRoutes."""

import json
import subprocess

import pytest

from registry.adapters.local import envoy
from registry.adapters.local.envoy import LIVE, PINNED, Backend, Ports
from registry.adapters.local.gateway import envoy_binary
from registry.adapters.local.workloads import routes
from registry.domain.errors import InvalidDocument
from registry.domain.objects import render
from registry.domain.policy import Serving

SHAPES = Backend("shapes-v3-predictor", 1001, 1002)


@pytest.fixture
def live(templates, release):
    def configuration(*releases):
        return envoy.route_configuration(
            LIVE, {one.model: routes(render(one, templates, Serving()), live=True) for one in releases}
        )

    return configuration


@pytest.fixture
def objects(templates, release):
    return render(release(("3", 90), ("1.0.0", 10), staging="5"), templates, Serving())


def names(configuration, host, path):
    """Clusters behind a path of a virtual host."""
    (found,) = (item for item in configuration["virtual_hosts"] if item["name"] == host)
    (route,) = (item for item in found["routes"] if path in item["match"].values())
    return {entry["name"]: entry["weight"] for entry in route["route"]["weighted_clusters"]["clusters"]}


def test_a_revision_has_a_cluster_per_purpose_and_protocol():
    found = {item["name"]: item["load_assignment"]["endpoints"] for item in envoy.clusters([SHAPES])}
    ports = {
        name: ends[0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"]
        for name, ends in found.items()
    }
    assert ports == {
        "live-shapes-v3": 1001,
        "live-shapes-v3-grpc": 1002,
        "pinned-shapes-v3": 1001,
        "pinned-shapes-v3-grpc": 1002,
    }


def test_weights_become_weighted_clusters_per_protocol(live, release):
    found = live(release(("3", 90), ("1.0.0", 10)))
    assert names(found, "shapes", "/predict") == {"live-shapes-v3": 90, "live-shapes-v1-0-0": 10}
    grpc = names(found, "shapes", "/inference.GRPCInferenceService")
    assert grpc == {"live-shapes-v3-grpc": 90, "live-shapes-v1-0-0-grpc": 10}


def test_weights_are_read_back_per_version(live, release):
    found = live(release(("3", 90), ("1.0.0", 10), ("5", 0)), release(("3", 100), model="digits"))
    assert envoy.weights(found, "shapes") == {"3": 90, "1.0.0": 10, "5": 0}
    assert envoy.weights(found, "digits") == {"3": 100}
    assert envoy.weights(found, "other") == {}


def test_weights_that_differ_between_paths_are_refused(live, release):
    found = live(release(("3", 90), ("4", 10)))
    found["virtual_hosts"][0]["routes"][0]["route"]["weighted_clusters"]["clusters"][0]["weight"] = 89
    with pytest.raises(InvalidDocument, match="differ between paths"):
        envoy.weights(found, "shapes")


def test_every_model_is_found_by_path_and_the_rest_is_the_first_models(live, release):
    found = live(release(("3", 100)), release(("1", 100), model="digits"))
    assert names(found, ".", "/predict") == {"live-shapes-v3": 100}
    (any_host,) = (item for item in found["virtual_hosts"] if item["name"] == ".")
    regexes = [item["match"]["safe_regex"]["regex"] for item in any_host["routes"] if "safe_regex" in item["match"]]
    assert regexes == [
        f"{path}/{model}([:/].*)?" for model in ("shapes", "digits") for path in ("/v1/models", "/v2/models")
    ]


def test_exact_paths_come_before_longer_prefixes_before_shorter_ones(live, release):
    matches = [item["match"] for item in live(release(("3", 100)))["virtual_hosts"][0]["routes"]]
    exact = ["path" in match for match in matches]
    prefixes = [len(match["path_separated_prefix"]) for match in matches if "path_separated_prefix" in match]
    assert exact == sorted(exact, reverse=True)
    assert prefixes == sorted(prefixes, reverse=True)


def test_pinned_routes_send_to_pinned_clusters_alone(objects):
    found = envoy.route_configuration(PINNED, {"shapes": routes(objects, live=False)})
    assert envoy.referenced(found) == {
        f"pinned-{name}{grpc}" for name in ("shapes-v3", "shapes-v1-0-0", "shapes-staging-v5") for grpc in ("", "-grpc")
    }


def test_a_match_envoy_is_not_told_of_is_refused(objects):
    (route,) = routes(objects, live=True)
    route["spec"]["rules"][0]["matches"][0]["path"]["type"] = "RegularExpression"
    with pytest.raises(InvalidDocument, match="RegularExpression"):
        envoy.route_configuration(LIVE, {"shapes": [route]})


def test_a_file_is_named_by_its_content():
    versions = {json.loads(envoy.discovery(content))["version_info"] for content in ([], [{"a": 1}], [{"a": 1}])}
    assert len(versions) == 2


def test_envoy_accepts_the_bootstrap(tmp_path):
    (tmp_path / "clusters.json").write_bytes(envoy.discovery(envoy.clusters([SHAPES])))
    for purpose in (LIVE, PINNED):
        (tmp_path / f"{purpose}.json").write_bytes(envoy.discovery([envoy.route_configuration(purpose, {})]))
    (tmp_path / "bootstrap.json").write_text(json.dumps(envoy.bootstrap(Ports(), tmp_path)))
    command = [envoy_binary(), "--mode", "validate", "--config-path", tmp_path / "bootstrap.json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "OK" in found.stdout, found.stderr
