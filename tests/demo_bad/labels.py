"""The canary whose mistakes no counter shows: it answers as fast and as confidently, and more often wrong."""

import http.client
import json
import time
from urllib.parse import urlsplit

from tests.demo_bad.installation import MODEL, POLICY, Installation, Outcome, tell
from training.shapes import CLASSES, Rendered, render_many

RENDERED = 400
"""Of them version 1, which was never trained, gets some right: those are sent, so that it is the better one."""

ROUND = 60
"""Requests between two batches of labels; every third of them is labelled."""


def mistaken(place: Installation, version: str) -> Outcome:
    """While it gets copies of the live requests, labels come for a third of them."""
    name = "a canary that calls a fifth of all images something else"
    tell(f"version {version}: {name}; it gets copies of live requests")
    images = [image for image in render_many(20260301, RENDERED) if _ask(place, image) == CLASSES[image.label]]
    mirrored = POLICY.replace("steps: [", "steps: [{mirror: 100, soak: 5}, ") + "  block: [labels]\n"
    (place.home / "policy.yaml").write_text(mirrored)
    place.publish(version, confuse=0.2)
    place.geometry("promote", version, "--to", "production", "--yes")
    place.until(lambda: (place.status()["rollout"] or {}).get("mirror") == 100)
    began, sent = time.monotonic(), 0
    while place.status()["rollout"] is not None:
        _label(place, images, start=sent)
        sent += ROUND
    (place.home / "policy.yaml").write_text(POLICY)
    entry = place.last("rolled_back", "promoted", "expired")
    numbers = entry["data"].get("numbers", {})
    right = entry["kind"] == "rolled_back" and numbers.get("signal") == "labels" and place.status()["production"] == "1"
    live = numbers.get("rollout", {}).get("answers")
    said = f"{entry['kind']} after {time.monotonic() - began:.0f} s, {sent} requests copied, {live} canary answers"
    return Outcome(name, right, f"{said}: {entry['data']['reason']}")


def _label(place: Installation, images: list[Rendered], *, start: int) -> None:
    """A round of requests, and labels for a third of them."""
    lines = []
    for number in range(start, start + ROUND):
        image, request = images[number % len(images)], f"request-{number}"
        _ask(place, image, request)
        if number % 3 == 0:
            lines.append(json.dumps({"id": request, "label": CLASSES[image.label]}))
    counted = place.read("label", "-", "-m", MODEL, "-o", "json", given="\n".join(lines))
    tell(f"{start + ROUND} requests; of {len(lines)} labels {counted['taken']} were taken")


def _ask(place: Installation, image: Rendered, request: str | None = None) -> str:
    """The class that a live answer says."""
    url = urlsplit(place.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
    headers = {"content-type": "image/png", **({"x-request-id": request} if request else {})}
    connection.request("POST", f"/v1/models/{MODEL}:predict", body=image.content, headers=headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["predictions"][0]["class"])
