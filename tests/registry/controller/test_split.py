"""A comparison of two running versions, under live traffic through the proxy."""

from registry.domain.findings import findings
from registry.store.filing import file_request
from tests.fixtures.versions import publish_tiny


def test_two_versions_share_live_requests_until_the_time_is_over(served, traffic):
    publish_tiny(served.home.root, flip=True)
    served.until(lambda: "2" in served.state().versions)
    asked = {"id": "c", "action": "compare", "version": "2", "base": "1", "weight": 50, "seconds": 12}
    file_request(served.home.journal_of("shapes"), asked, by="somebody", now=served.now())
    with traffic:
        served.until(lambda: served.weights() == {"1": 50, "2": 50})
        served.until(lambda: "expired" in served.kinds() and served.weights() == {"1": 100})
    assert set(traffic.answered) == {200}
    found = {finding.signal: finding.window for finding in findings(served.last("expired").data["numbers"])}
    assert min(found["errors"].canary_exposure, found["errors"].stable_exposure) > 0
    assert min(found["latency"].canary_exposure, found["latency"].stable_exposure) > 0
    assert (served.state().production, served.state().version("2").stage) == ("1", "development")
