"""Service: what clients of one InferenceService get, how full it is, and how fast its budgets burn."""

from charts.monitoring.generate.board import Board
from charts.monitoring.generate.panels import Bounds, Query, graph, heat, number, rows_of

OWN = 'namespace="$namespace", service="$service"'
LIVE = f'{OWN}, traffic="live"'
EVERY = "[$__rate_interval]"
BURNS = (Query("vector(14.4)", "bound 14.4"), Query("vector(6)", "bound 6"), Query("vector(1)", "bound 1"))
"""At which a page, a page and a ticket are due: 2 % of 30 days' budget in an hour, 5 % in six, 10 % in three days."""

NOW = (
    number(
        "Requests",
        "Live answers a second, good and bad.",
        Query(f"sum(ml_geometry_request_rate{{{OWN}}})"),
        unit="reqps",
    ),
    number(
        "Errors",
        "Server errors as a share of good answers and server errors, of the worst revision.",
        Query(f"max(ml_geometry_error_ratio{{{OWN}}})"),
        unit="percentunit",
        bounds=Bounds(yellow=0.001, red=0.01),
    ),
    number(
        "p99 latency",
        "From the whole request to the whole answer, of the slowest revision.",
        Query(f"max(ml_geometry_prediction_latency_seconds:p99{{{OWN}}})"),
        unit="s",
        bounds=Bounds(yellow=0.1, red=0.5),
    ),
    number(
        "Pods that answer",
        "Predictors whose counters could be read.",
        Query(f'sum(up{{job="ml-geometry-predictor", {OWN}}})'),
        bounds=Bounds(yellow=2, red=1, falling=True),
    ),
    number(
        "Availability burn, 1 h",
        "How many times faster than 30 days allow the error budget is spent.",
        Query(f"max(ml_geometry_slo_errors:ratio_rate1h{{{OWN}}} / ml_geometry_slo_errors:budget{{{OWN}}})"),
        bounds=Bounds(yellow=1, red=6),
    ),
    number(
        "Latency burn, 1 h",
        "The same for answers beyond the SLO's edge.",
        Query(f"max(ml_geometry_slo_latency:ratio_rate1h{{{OWN}}} / ml_geometry_slo_latency:budget{{{OWN}}})"),
        bounds=Bounds(yellow=1, red=6),
    ),
)

REQUESTS = (
    graph(
        "Good answers",
        "A second, by version and kind of traffic. Pinned requests are tests of one revision and are never judged.",
        Query(
            f"sum by (version, traffic) (rate(ml_geometry_prediction_latency_seconds_count{{{OWN}}}{EVERY}))",
            "{{version}} {{traffic}}",
        ),
        unit="reqps",
        stacked=True,
    ),
    graph(
        "Answers that are errors",
        "A second, by reason. internal, deadline, model_not_ready and overloaded are ours, the others the clients'.",
        Query(f"sum by (reason) (rate(ml_geometry_errors_total{{{LIVE}}}{EVERY})) > 0", "{{reason}}"),
        unit="reqps",
        stacked=True,
    ),
    graph(
        "Error ratio",
        "Server errors as a share of good answers and server errors, by version.",
        Query(f"ml_geometry_error_ratio{{{OWN}}}", "{{version}}"),
        unit="percentunit",
    ),
    graph(
        "As the gateway sees it",
        "Answers a second by class of their code, from Envoy: what reached no predictor is counted here alone.",
        Query(
            "sum by (envoy_response_code_class) (rate(envoy_cluster_upstream_rq_xx"
            f'{{envoy_cluster_name=~"httproute/$namespace/$service/.*|live-$service-.*"}}{EVERY}))',
            "{{envoy_response_code_class}}xx",
        ),
        unit="reqps",
        stacked=True,
    ),
)

LATENCY = (
    graph(
        "Latency",
        "Median, 95 % and 99 % of live answers by version.",
        Query(f"ml_geometry_prediction_latency_seconds:p50{{{OWN}}}", "p50 {{version}}"),
        Query(f"ml_geometry_prediction_latency_seconds:p95{{{OWN}}}", "p95 {{version}}"),
        Query(f"ml_geometry_prediction_latency_seconds:p99{{{OWN}}}", "p99 {{version}}"),
        unit="s",
    ),
    heat(
        "Latency, all answers",
        "How many live answers took how long. The edges are those that SLOs may be set at.",
        Query(
            f"sum by (le) (increase(ml_geometry_prediction_latency_seconds_bucket{{{LIVE}}}{EVERY}))",
            "{{le}}",
        ),
        unit="s",
    ),
)

SATURATION = (
    graph(
        "In flight and waiting",
        "Requests that are being received or answered, and those that wait to be classified.",
        Query(f"sum by (version) (ml_geometry_inflight_requests{{{OWN}}})", "in flight {{version}}"),
        Query(f"sum by (version) (ml_geometry_queue_requests{{{OWN}}})", "waiting {{version}}"),
        width=8,
    ),
    graph(
        "Turned away",
        "Requests a second that overload answered at once with 503.",
        Query(f"sum by (version) (rate(ml_geometry_shed_total{{{LIVE}}}{EVERY}))", "{{version}}"),
        unit="reqps",
        width=8,
    ),
    graph(
        "Memory",
        "Resident bytes of all processes of a pod.",
        Query(f'process_resident_memory_bytes{{job="ml-geometry-predictor", {OWN}}}', "{{pod}}"),
        unit="bytes",
        width=8,
    ),
    graph(
        "Processes",
        "Worker processes alive, and how many ended and were started again in ten minutes.",
        Query(f"sum by (version) (ml_geometry_processes{{{OWN}}})", "alive {{version}}"),
        Query(
            f"sum by (version) (increase(ml_geometry_process_restarts_total{{{OWN}}}[10m]))",
            "started again {{version}}",
        ),
        width=8,
    ),
    graph(
        "Open descriptors",
        "Of all processes of a pod.",
        Query(f'process_open_fds{{job="ml-geometry-predictor", {OWN}}}', "{{pod}}"),
        width=8,
    ),
    rows_of(
        "What each pod serves",
        "The digest that a pod hashed itself when it loaded its version.",
        (Query(f"max by (pod, revision, version, digest) (ml_geometry_model_info{{{OWN}}})"),),
        columns={"pod": "pod", "revision": "revision", "version": "version", "digest": "digest"},
        units={},
        width=8,
    ),
)

BURN = tuple(
    graph(
        title,
        description,
        *(
            Query(f"{rule}:ratio_rate{window}{{{OWN}}} / {rule}:budget{{{OWN}}}", window)
            for window in ("5m", "1h", "6h", "3d")
        ),
        *BURNS,
    )
    for title, description, rule in (
        (
            "Availability: burn",
            "Share of answers that failed over the share that may fail. At 1 the budget lasts exactly 30 days.",
            "ml_geometry_slo_errors",
        ),
        (
            "Latency: burn",
            "Share of answers beyond their version's limit over the share that may be.",
            "ml_geometry_slo_latency",
        ),
    )
)

SERVICE = Board(
    name="service",
    description="Rate, errors, latency, saturation and SLO budgets of one InferenceService.",
    variables=("namespace", "service"),
    rows={
        "Now": NOW,
        "Requests": REQUESTS,
        "Latency": LATENCY,
        "Budgets": BURN,
        "Saturation": SATURATION,
    },
)
