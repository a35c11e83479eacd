"""A Job is made from the installation's template, told as it goes, and its exit code is ours."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from registry.adapters.cluster.api import Api
from registry.adapters.cluster.jobs import Following, Wish, job_of, submit
from registry.domain.errors import NotFound, Unreachable

TEMPLATE = yaml.safe_load((Path(__file__).parents[3] / "manifests/training/cronjob.yaml").read_text())


class Script:
    """What an API server answers: the CronJob, the Job's end, its pod's states one look after the other, and logs."""

    def __init__(self) -> None:
        self.template: object = TEMPLATE
        self.created: list[dict] = []
        self.looks: list[tuple[str | None, dict | None]] = []
        self.logs: list[str] = []
        self.fails: list[int] = []

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        if self.fails:
            return self.fails.pop(0), {"message": "injected"}
        if method == "POST":
            self.created.append(json.loads(body))
            return 201, {"metadata": {"name": "train-abc"}}
        if path.endswith("/log"):
            return 200, self.logs.pop(0)
        if path.endswith("/pods"):
            state = self.looks[0][1] if len(self.looks) == 1 else self.looks.pop(0)[1]
            items = [] if state is None else [pod(state)]
            return 200, {"apiVersion": "v1", "kind": "PodList", "items": items}
        if path.endswith("/cronjobs/geometry-train"):
            return (200, self.template) if self.template else (404, {"message": "not found"})
        ended = self.looks[0][0]
        return 200, {"status": {"conditions": [{"type": ended, "status": "True"}] if ended else []}}


def pod(state: dict) -> dict:
    statuses = [state] if "state" in state else []
    return {
        "metadata": {"name": "train-abc-1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"containerStatuses": statuses, "conditions": state.get("conditions", [])},
    }


RUNS = {"state": {"running": {}}, "restartCount": 0}


def ended(code: int, *, restarts: int = 0) -> dict:
    return {"state": {"terminated": {"exitCode": code}}, "restartCount": restarts}


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def api(script: Script) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, told = script.answer(self.command, self.path.partition("?")[0], body)
            content = told.encode() if isinstance(told, str) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = serve  # noqa: N815 - the names http.server calls

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    settings = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
    settings.retries = 0
    yield Api(client.ApiClient(settings), "geometry")
    server.shutdown()
    server.server_close()


def follow(api: Api) -> tuple[int, list[str]]:
    told: list[str] = []
    return Following(api, "train-abc", told.append, sleep=lambda _: None).end(), told


def test_a_job_is_the_template_with_what_is_wished():
    wish = Wish(["train", "--quick"], image="mine:1", resources={"cpu": "2"}, data="pictures")
    made = job_of(TEMPLATE, wish)
    spec = made["spec"]["template"]["spec"]
    (box,) = spec["containers"]
    assert (box["args"], box["image"]) == (["train", "--quick"], "mine:1")
    assert box["resources"]["limits"]["cpu"] == box["resources"]["requests"]["cpu"] == "2"
    assert box["resources"]["limits"]["memory"] == "6Gi"
    assert {"name": "data", "mountPath": "/data", "readOnly": True} in box["volumeMounts"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert made["metadata"]["labels"]["app.kubernetes.io/name"] == "geometry-train"


def test_a_job_without_wishes_changes_nothing_but_the_arguments():
    made, pattern = job_of(TEMPLATE, Wish(["train"])), TEMPLATE["spec"]["jobTemplate"]["spec"]
    made["spec"]["template"]["spec"]["containers"][0]["args"] = pattern["template"]["spec"]["containers"][0]["args"]
    assert made["spec"] == pattern


def test_without_an_installation_it_says_what_to_do(api, script):
    script.template = None
    with pytest.raises(NotFound, match="namespace geometry has no CronJob geometry-train; apply an overlay"):
        submit(api, Wish(["train"]))


def test_a_job_is_told_line_by_line_and_ends_well(api, script):
    assert submit(api, Wish(["train"])) == "train-abc"
    script.looks = [(None, None), (None, RUNS), ("Complete", ended(0))]
    script.logs = ["epoch 1\n", "epoch 1\nepoch 2\n{}"]
    assert follow(api) == (0, ["epoch 1", "epoch 2", "{}"])


def test_the_exit_code_of_the_last_attempt_is_the_end(api, script):
    script.looks = [(None, ended(1)), ("Failed", ended(3, restarts=1))]
    script.logs = ["first\n", "second\n"]
    assert follow(api) == (3, ["first", "second"])


def test_a_pod_that_waits_says_why_once(api, script):
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no memory"}
    waiting = {"conditions": [unscheduled]}
    script.looks = [(None, waiting), (None, waiting), ("Complete", ended(0))]
    script.logs = [""]
    assert follow(api) == (0, ["train-abc-1 waits: Unschedulable: no memory"])


def test_an_api_server_that_is_away_for_a_moment_is_asked_again(api, script):
    script.looks = [(None, RUNS), ("Complete", ended(0))]
    script.logs = ["epoch 1\n", "epoch 1\ndone\n"]
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        script.fails = [503, 503] if line == "epoch 1" else []

    assert Following(api, "train-abc", say, sleep=lambda _: None).end() == 0
    assert told == ["epoch 1", "done"]


def test_an_api_server_that_never_answered_is_not_waited_for(api, script):
    script.fails = [503]
    with pytest.raises(Unreachable):
        follow(api)
