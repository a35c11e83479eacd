"""What the controller writes for people while it turns."""


def test_live_traffic_of_every_revision_is_seen(served):
    for _ in range(5):
        assert served.ask()[0] == 200
    served.until(lambda: (served.view()["revisions"]["1"]["traffic"] or {}).get("requests") == 5)
    assert served.view()["awaited"].startswith("the rollback window of version 1 ends at ")


def test_what_stopped_the_model_is_awaited(served):
    served.home.policy.write_text("rollout: {stepz: []}")
    served.until(lambda: "stepz" in served.problem())
    assert served.view()["awaited"] == "what stopped the controller is mended"
