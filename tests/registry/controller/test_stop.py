"""The end of an installation: requests in flight are finished, and no process stays."""

import json
import threading


def test_requests_in_flight_are_answered_before_the_end(installation):
    (installation.home.store / "models/shapes/1.json").write_text(json.dumps({"seconds": 0.7}))
    installation.first()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(installation.ask()[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    proxy = installation.controller.substrate.gateway.proxy
    installation.until(lambda: proxy.active_requests({"live-shapes-v1"}) == len(threads))
    installation.stop()
    for thread in threads:
        thread.join()
    assert answers == [200] * len(threads)
    installation.start()
