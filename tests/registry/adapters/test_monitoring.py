import json
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from predictor.errors import REASONS
from predictor.errors import SERVER_REASONS as PREDICTORS_REASONS
from predictor.metrics import CONFIDENCE, ERRORS, LATENCY, LOW_CONFIDENCE
from predictor.tally import LATENCY_EDGES as PREDICTORS_EDGES
from registry.adapters.monitoring import SERVER_REASONS, Target, parse_envoy, parse_predictor, scrape
from registry.domain.errors import InvalidDocument
from registry.domain.observation import Counters
from registry.domain.signals import LATENCY_EDGES
from registry.domain.version import DEFAULT_MODEL, Version

THREE, FOUR = Version("3"), Version("4")
EDGES = (*PREDICTORS_EDGES, "+Inf")


def predictor_text(version=THREE, *, good=123, **errors):
    """A predictor's exposition: every reason there from the start, pinned traffic beside the live one."""
    own = f'model="shapes",traffic="live",version="{version}"'
    pinned = own.replace("live", "pinned")
    return "".join(
        [
            "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.\n",
            "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.76392e+09\n",
            'python_info{version="3.11"} 1.0\n# TYPE ml_geometry_prediction_latency_seconds histogram\n',
            *(f'{LATENCY}_bucket{{le="{edge}",{own}}} {good - 9 + place}.0\n' for place, edge in enumerate(EDGES)),
            *(f'{LATENCY}_bucket{{le="{edge}",{pinned}}} 999.0\n' for edge in EDGES),
            f"{CONFIDENCE}_count{{{own}}} 200.0\n{CONFIDENCE}_count{{{pinned}}} 999.0\n",
            f"{LOW_CONFIDENCE}{{{own}}} 17.0\n{LOW_CONFIDENCE}{{{pinned}}} 999.0\n",
            f"{LATENCY}_count{{{own}}} {good}.0\n{LATENCY}_count{{{pinned}}} 999.0\n",
            *(f'{ERRORS}{{{own},reason="{reason}"}} {errors.get(reason, 0)}.0\n' for reason in REASONS),
            *(f'{ERRORS}{{{pinned},reason="{reason}"}} 99.0\n' for reason in REASONS),
        ]
    )


def envoy_text(**clusters):
    """Envoy's exposition of `cluster=(5xx, 501, 504, timeouts)`, dashes as underscores; zeros have no series there."""
    lines = ["# TYPE envoy_cluster_upstream_rq counter"]
    for name, counts in clusters.items():
        cluster = f'envoy_cluster_name="{name.replace("_", "-")}"'
        every, deliberate, late, timeouts = counts
        series = {'_xx{envoy_response_code_class="5"': every, '{envoy_response_code="501"': deliberate}
        series['{envoy_response_code="504"'] = late
        lines += [f"envoy_cluster_upstream_rq{key},{cluster}}} {value}" for key, value in series.items() if value]
        lines.append(f"envoy_cluster_upstream_rq_timeout{{{cluster}}} {timeouts}")
    return "\n".join(lines) + "\n"


TEXT = predictor_text(internal=1, deadline=2, model_not_ready=3, overloaded=4, bad_image=5, too_large=6)
COUNTERS = Counters(
    good=123,
    refused=11,
    predictor_errors=10,
    proxy_errors=None,
    incarnation="1.76392e+09",
    within=tuple(range(114, 123)),
    images=200,
    low_confidence=17,
)
ENVOY = envoy_text(live_shapes_v3=(7, 0, 0, 0), live_shapes_v3_grpc=(2, 0, 0, 0), live_shapes_v4=(0, 0, 0, 0))
STARTED = "2026-03-01T09:30:00.125Z"


def test_the_predictor_counts_what_the_adapter_reads():
    assert frozenset(PREDICTORS_REASONS) == SERVER_REASONS
    assert PREDICTORS_EDGES == LATENCY_EDGES
    assert parse_predictor(TEXT, DEFAULT_MODEL, THREE) == COUNTERS


@pytest.mark.parametrize(("told", "shown"), [("110.5", 110.5), ("NaN", None), ("+Inf", None), ("much", None)])
def test_confidence_is_shown_to_people_and_is_no_evidence(told, shown):
    line = f'{CONFIDENCE}_sum{{model="shapes",traffic="live",version="3"}} {told}\n'
    found = parse_predictor(TEXT + line, DEFAULT_MODEL, THREE)
    assert (found, found.confidence) == (COUNTERS, shown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "<html>no metrics</html>\n",
        TEXT.replace("123.0", "NaN"),
        TEXT.replace("123.0", "-1"),
        TEXT.replace("123.0", "+Inf"),
        TEXT.replace("123.0", "0.5"),
        TEXT.replace("123.0", "1e300"),
        TEXT.replace('reason="deadline"', 'reason="bad_luck"'),
        TEXT.replace("process_start", "process_end"),
        TEXT.replace(f"{LATENCY}_count", f"{LATENCY}_counts"),
        TEXT.replace(f"{CONFIDENCE}_count", f"{CONFIDENCE}_counts"),
        TEXT.replace(LOW_CONFIDENCE, f"{LOW_CONFIDENCE}s"),
        TEXT.replace('le="0.25"', 'le="0.2"'),
        TEXT.replace('le="0.25"', 'le="quarter"'),
        TEXT.replace('",traffic', ",traffic"),
        TEXT + TEXT,
        predictor_text(FOUR),
    ],
)
def test_wrong_predictor_metrics_are_no_evidence(text):
    with pytest.raises(InvalidDocument, match="metrics"):
        parse_predictor(text, DEFAULT_MODEL, THREE)


@given(end=st.integers(0, len(TEXT)))
def test_a_cut_off_text_never_gives_higher_counters(end):
    try:
        counters = parse_predictor(TEXT[:end], DEFAULT_MODEL, THREE)
    except InvalidDocument:
        return
    assert counters.good == 123
    assert counters.predictor_errors == 10
    assert counters.refused <= 11


@given(st.integers(0, len(TEXT)), st.text(max_size=20), st.integers(0, 20))
@example(0, "\ud800", 0)
def test_a_garbled_text_gives_counters_or_a_reason(at, noise, gone):
    garbled = TEXT[:at] + noise + TEXT[at + gone :]
    try:
        counters = parse_predictor(garbled, DEFAULT_MODEL, THREE)
    except InvalidDocument:
        return
    assert min(counters.good, counters.refused, counters.predictor_errors) >= 0


# What Envoy 1.40 printed after 200, 500, 501, a timeout before and one after the answer's head, and nobody at v4.
RECORDED = """\
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="live-shapes-v3"} 2
envoy_cluster_upstream_rq{envoy_response_code="500",envoy_cluster_name="live-shapes-v3"} 1
envoy_cluster_upstream_rq{envoy_response_code="501",envoy_cluster_name="live-shapes-v3"} 1
envoy_cluster_upstream_rq{envoy_response_code="504",envoy_cluster_name="live-shapes-v3"} 1
envoy_cluster_upstream_rq{envoy_response_code="501",envoy_cluster_name="live-shapes-v3-grpc"} 1
envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="live-shapes-v4"} 1
# TYPE envoy_cluster_upstream_rq_timeout counter
envoy_cluster_upstream_rq_timeout{envoy_cluster_name="live-shapes-v3"} 2
envoy_cluster_upstream_rq_timeout{envoy_cluster_name="live-shapes-v3-grpc"} 0
envoy_cluster_upstream_rq_timeout{envoy_cluster_name="live-shapes-v4"} 0
envoy_cluster_upstream_rq_timeout{envoy_cluster_name="live-shapes-v5"} 0
# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="live-shapes-v3"} 2
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="live-shapes-v3"} 3
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="live-shapes-v3-grpc"} 1
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="live-shapes-v4"} 1
"""


def test_a_recorded_envoy_is_understood():
    errors = {"live-shapes-v3": 3, "live-shapes-v3-grpc": 0, "live-shapes-v4": 1, "live-shapes-v5": 0}
    assert parse_envoy(RECORDED) == errors


@pytest.mark.parametrize(
    ("counts", "errors"),
    [
        ((0, 0, 0, 0), 0),
        ((5, 0, 0, 0), 5),
        ((5, 2, 0, 0), 3),  # the client asked for what does not exist
        ((5, 0, 3, 3), 5),  # timeouts that Envoy answered with 504 are in both counts
        ((5, 0, 3, 4), 6),  # one timeout after the answer's head
        ((0, 0, 0, 1), 1),
        ((5, 0, 3, 0), 5),  # the revision's own 504
    ],
)
def test_every_failed_request_of_envoy_counts_once(counts, errors):
    assert parse_envoy(envoy_text(live_shapes_v3=counts)) == {"live-shapes-v3": errors}


@given(st.lists(st.sampled_from([(1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 1), (1, 0, 1, 0), (0, 0, 0, 1)])))
def test_errors_of_envoy_never_decrease(events):
    total, before = (0, 0, 0, 0), 0
    for event in events:
        total = tuple(map(sum, zip(total, event, strict=True)))
        errors = parse_envoy(envoy_text(live_shapes_v3=total))["live-shapes-v3"]
        assert before <= errors <= before + 1
        before = errors


def test_contradictory_counts_of_envoy_are_no_evidence():
    with pytest.raises(InvalidDocument, match="Envoy counts 1 5xx"):
        parse_envoy(envoy_text(live_shapes_v3=(1, 2, 0, 0)))


@pytest.fixture
def pages():
    """A real HTTP server on loopback: `pages.served` maps path to body, None hangs until the test ends."""
    served, over = {}, threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = served.get(self.path.partition("?")[0])
            if body is None and self.path in served:
                over.wait(10)
                return
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *arguments):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield SimpleNamespace(served=served, url=f"http://127.0.0.1:{server.server_port}")
        over.set()
        server.shutdown()
        thread.join()


def serve_envoy(pages, text):
    dump = {"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "last_updated": STARTED}]}
    pages.served["/config_dump"] = json.dumps(dump).encode()
    pages.served["/stats/prometheus"] = text.encode()


def targets(pages):
    return [Target(DEFAULT_MODEL, version, f"{pages.url}/{version}/metrics") for version in (THREE, FOUR)]


def test_revisions_and_envoy_are_merged_and_grpc_added(pages):
    pages.served |= {"/3/metrics": TEXT.encode(), "/4/metrics": predictor_text(FOUR, good=77).encode()}
    serve_envoy(pages, ENVOY)
    counters, reasons = scrape(targets(pages), pages.url, timeout=5)
    assert reasons == {}
    assert counters[THREE] == replace(COUNTERS, proxy_errors=9, incarnation=f"1.76392e+09 {STARTED}")
    assert (counters[FOUR].good, counters[FOUR].proxy_errors) == (77, 0)


def test_without_a_proxy_its_errors_stay_unknown(pages):
    pages.served["/3/metrics"] = TEXT.encode()
    counters, reasons = scrape(targets(pages), None, timeout=5)
    assert counters == {THREE: COUNTERS}
    assert reasons == {FOUR: f"{pages.url}/4/metrics: HTTPStatusError"}


def test_a_revision_that_hangs_costs_no_other_its_evidence(pages):
    pages.served |= {"/3/metrics": TEXT.encode(), "/4/metrics": None}
    counters, reasons = scrape(targets(pages), None, timeout=2)
    assert counters == {THREE: COUNTERS}
    assert list(reasons) == [FOUR]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "metrics are cut off"),
        (envoy_text(live_shapes_v4=(0, 0, 0, 0)), "Envoy has no cluster live-shapes-v3"),
    ],
)
def test_an_envoy_without_evidence_leaves_the_revision_out(pages, text, reason):
    pages.served["/3/metrics"] = TEXT.encode()
    serve_envoy(pages, text)
    assert scrape(targets(pages)[:1], pages.url, timeout=5) == ({}, {THREE: reason})


def test_an_endless_answer_is_cut(pages):
    pages.served["/3/metrics"] = b"x" * (5 * 2**20)
    _, reasons = scrape(targets(pages)[:1], None, timeout=5)
    assert "too long" in reasons[THREE]


def test_nobody_at_the_address_is_a_reason():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        _, reasons = scrape([Target(DEFAULT_MODEL, THREE, f"http://127.0.0.1:{port}/metrics")], None, timeout=5)
    assert reasons[THREE].endswith("ConnectError")


def test_a_cluster_that_nobody_asked_yet_counts_no_errors():
    """Envoy may make the counters of traffic at the first request; that it has the cluster it says at once."""
    text = '# TYPE envoy_cluster_membership_total gauge\nenvoy_cluster_membership_total{envoy_cluster_name="quiet"} 1\n'
    assert parse_envoy(text) == {"quiet": 0}
