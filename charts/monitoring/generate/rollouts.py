"""Rollouts: where a promotion is, what its judge has seen, and whether the controller decides at all."""

from charts.monitoring.generate.board import Board, Mark
from charts.monitoring.generate.panels import Bounds, Query, graph, number, rows_of, timeline

OWN = 'namespace="$namespace", model="$model"'
CONTROLLER = 'namespace="$namespace"'
EVERY = "[$__rate_interval]"

NOW = (
    number(
        "Step",
        "Of the rollout in progress; 0 when there is none.",
        Query(f"max(ml_geometry_rollout_step{{{OWN}}})"),
    ),
    number(
        "Running for",
        "Since the rollout in progress began.",
        Query(f"time() - max(ml_geometry_rollout_started_timestamp_seconds{{{OWN}}} > 0)"),
        unit="s",
    ),
    number(
        "Evidence is old by",
        "Since the counters of every judged revision were last read. Missing evidence holds a canary.",
        Query(f"time() - max(ml_geometry_evidence_timestamp_seconds{{{OWN}}} > 0)"),
        unit="s",
        bounds=Bounds(yellow=30, red=120),
    ),
    number(
        "Last decision",
        "Since the controller last decided about this model.",
        Query(f"time() - max(ml_geometry_controller_last_turn_timestamp_seconds{{{OWN}}})"),
        unit="s",
        bounds=Bounds(yellow=30, red=120),
    ),
    number(
        "Problem",
        "1: the controller cannot make the cluster equal to the journal; `geometry status` says why.",
        Query(f"max(ml_geometry_controller_problem{{{OWN}}})"),
        bounds=Bounds(yellow=1, red=1),
    ),
    number(
        "Anchor mismatch",
        "1: the journal is not the one that was last acted upon. Nothing is acted upon until somebody adopts it.",
        Query(f"max(ml_geometry_anchor_mismatch{{{OWN}}})"),
        bounds=Bounds(yellow=1, red=1),
    ),
)

PROGRESS = (
    graph(
        "Weights",
        "Percent of live requests that production and canary shall get.",
        Query(f"ml_geometry_rollout_weight{{{OWN}}}", "{{version}}"),
        unit="percent",
        maximum=100,
        stacked=True,
    ),
    timeline(
        "Phase",
        "Of the rollout in progress.",
        Query(f"ml_geometry_rollout_phase{{{OWN}}}", "{{phase}}"),
    ),
    timeline(
        "Verdict",
        "The last one of the rollout in progress.",
        Query(f"ml_geometry_rollout_verdict{{{OWN}}}", "{{verdict}}"),
        width=12,
    ),
    rows_of(
        "What shall serve",
        "By the journal. Compare with what each pod serves, on the dashboard Service.",
        (Query(f"max by (role, version, digest) (ml_geometry_recorded_info{{{OWN}}})"),),
        columns={"role": "role", "version": "version", "digest": "digest"},
        units={},
        width=12,
    ),
)


def _evidence(title: str, description: str, test: str) -> tuple[str, str, tuple[Query, Query]]:
    series = f'{OWN}, test="{test}"'
    return (
        title,
        description,
        (
            Query(f"ml_geometry_rollout_evidence{{{series}}}", "{{signal}}"),
            Query(f"max(ml_geometry_rollout_evidence_threshold{{{series}}})", "bound"),
        ),
    )


EVIDENCE = tuple(
    graph(title, description, *queries, floor=None, width=8)
    for title, description, queries in (
        _evidence(
            "Evidence of harm",
            "Logarithm of the e-value per signal: at the bound the canary goes back.",
            "harm",
        ),
        _evidence(
            "Evidence that it is acceptable",
            "Logarithm of the e-value against “unacceptable”: at the bound, on every blocking signal, it advances.",
            "acceptable",
        ),
        _evidence(
            "Guard",
            "After 100 %, until the rollback window ends: at the bound the old version comes back.",
            "guard",
        ),
    )
)

OUTCOMES = (
    graph(
        "Rollouts that ended",
        "Within a day, by how they ended. Counted from the journal, so that restarts change nothing.",
        Query(f"sum by (result) (increase(ml_geometry_rollouts_total{{{OWN}}}[1d]))", "{{result}}"),
        stacked=True,
    ),
    graph(
        "Turns",
        "Turns a second of the controller by result, and updates that somebody else was faster with.",
        Query(f"sum by (result) (rate(ml_geometry_controller_turns_total{{{CONTROLLER}}}{EVERY}))", "{{result}}"),
        Query(f"sum(rate(ml_geometry_controller_conflicts_total{{{CONTROLLER}}}{EVERY}))", "conflicts"),
        width=6,
    ),
    graph(
        "Length of a turn",
        "Median and 99 %, waiting included.",
        *(
            Query(
                f"histogram_quantile({share}, sum by (le) "
                f"(rate(ml_geometry_controller_turn_seconds_bucket{{{CONTROLLER}}}{EVERY})))",
                name,
            )
            for share, name in ((0.5, "p50"), (0.99, "p99"))
        ),
        unit="s",
        width=6,
    ),
)

ROLLOUTS = Board(
    name="rollouts",
    description="Weights, evidence against its bounds, verdicts and the controller that decides.",
    variables=("namespace", "model"),
    rows={"Now": NOW, "Progress": PROGRESS, "Judge": EVIDENCE, "Outcomes and controller": OUTCOMES},
    marks=(
        Mark(
            "Verdict",
            f'ml_geometry_rollout_verdict{{{OWN}, verdict=~"promote|rollback"}} == 1',
            "{{verdict}}",
            "blue",
        ),
        Mark(
            "Ended",
            f"increase(ml_geometry_rollouts_total{{{OWN}}}[1m]) > 0",
            "{{result}}",
            "purple",
        ),
    ),
)
