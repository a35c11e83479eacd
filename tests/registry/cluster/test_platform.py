"""A cluster that cannot do it is refused at the start, with what to install."""

import pytest

from registry.domain.errors import Refused, Unreachable
from tests.registry.cluster.driver import START, Driver
from tests.registry.cluster.server import KINDS, Object


def test_a_cluster_that_can_is_asked_without_a_trace(driver: Driver) -> None:
    driver.substrate.start(START)
    assert driver.server.writes == []


@pytest.mark.parametrize(
    ("plural", "wanted"),
    [
        ("httproutes", "install Gateway API and a gateway"),
        ("inferenceservices", "install KServe 0.20 or later"),
        ("promotions", "apply manifests/registry/crds"),
    ],
)
def test_a_kind_that_is_missing_is_named(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, plural: str, wanted: str
) -> None:
    monkeypatch.delitem(KINDS, plural)
    with pytest.raises(Refused, match=wanted):
        driver.substrate.start(START)


def test_an_older_kserve_is_known_by_the_canary_that_it_drops(driver: Driver) -> None:
    def forget(new: Object, old: Object | None) -> None:
        new["spec"].pop("canary")

    driver.server.admit = forget
    with pytest.raises(Refused, match=r"older than 0\.20"):
        driver.substrate.start(START)


def test_another_deployment_mode_is_refused(driver: Driver) -> None:
    def knative(new: Object, old: Object | None) -> None:
        new["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] = "Knative"

    driver.server.admit = knative
    with pytest.raises(Refused, match="deployment mode Knative, wanted Standard"):
        driver.substrate.start(START)


def test_a_webhook_that_is_down_is_no_refusal(driver: Driver) -> None:
    driver.server.fail("POST", "inferenceservices", 500)
    with pytest.raises(Unreachable, match="injected"):
        driver.substrate.start(START)


def test_where_a_model_serves_a_webhook_that_is_down_keeps_no_controller_from_moving_weights(driver: Driver) -> None:
    driver.serve("1:90", "2:10")
    driver.server.fail("POST", "inferenceservices", 500)
    driver.substrate.start(START)
    driver.serve("1:100")
    assert driver.cluster.weights() == {"shapes-v1": 100}
