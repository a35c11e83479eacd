"""Model: what it answers, how sure it is, and whether its inputs are still those that it was trained for."""

from charts.monitoring.generate.board import Board
from charts.monitoring.generate.panels import Bounds, Query, graph, heat, number, timeline

OWN = 'namespace="$namespace", service="$service", model="$model"'
LIVE = f'{OWN}, traffic="live"'
TOLD = 'namespace="$namespace", model="$model"'
EVERY = "[$__rate_interval]"
FEATURES = ("brightness", "contrast", "edge_density", "aspect", "size_bytes")

NOW = (
    number(
        "Average confidence",
        "Mean of the top probability, of the least sure version.",
        Query(f"min(ml_geometry_average_confidence{{{OWN}}})"),
        unit="percentunit",
        bounds=Bounds(yellow=0.85, red=0.7, falling=True),
    ),
    number(
        "Accuracy",
        "Right labels over all labels that people have sent, of the worst version. Without labels: no data.",
        Query(f"min(ml_geometry_accuracy{{{TOLD}}})"),
        unit="percentunit",
        bounds=Bounds(yellow=0.95, red=0.9, falling=True),
    ),
    number(
        "Drift alarms",
        "Signals whose evidence has reached its bound.",
        Query(f"sum(ml_geometry_prediction_drift_alarm{{{TOLD}}})"),
        bounds=Bounds(yellow=1, red=1),
    ),
    number(
        "Largest effect (PSI)",
        "Population stability index against the reference, of the signal that moved most. It alarms nobody.",
        Query(f"max(ml_geometry_prediction_drift_effect_psi{{{TOLD}}})"),
        bounds=Bounds(yellow=0.1, red=0.25),
    ),
    number(
        "Reference",
        "Predictions in the smallest reference. 0: warming, or a card without one.",
        Query(f"min(ml_geometry_prediction_drift_reference_size{{{TOLD}}})"),
    ),
    number(
        "Last evaluation",
        "How long ago drift was evaluated.",
        Query(f"time() - min(ml_geometry_prediction_drift_last_evaluation_timestamp_seconds{{{TOLD}}} > 0)"),
        unit="s",
        bounds=Bounds(yellow=600, red=3600),
    ),
)

ANSWERS = (
    graph(
        "Classes",
        "Share of each class among live predictions.",
        Query(
            f"sum by (class) (rate(ml_geometry_predictions_total{{{LIVE}}}{EVERY}))"
            f" / ignoring(class) group_left sum(rate(ml_geometry_predictions_total{{{LIVE}}}{EVERY}))",
            "{{class}}",
        ),
        unit="percentunit",
        maximum=1,
        stacked=True,
    ),
    heat(
        "Confidence",
        "How many live predictions had which top probability.",
        Query(f"sum by (le) (increase(ml_geometry_prediction_confidence_bucket{{{LIVE}}}{EVERY}))", "{{le}}"),
        unit="percentunit",
    ),
    graph(
        "Average confidence",
        "By version.",
        Query(f"ml_geometry_average_confidence{{{OWN}}}", "{{version}}"),
        unit="percentunit",
        maximum=1,
    ),
    graph(
        "Low confidence",
        "Share of live predictions below the version's own low_confidence, as 5 % of its test images were.",
        Query(
            f"sum by (version) (rate(ml_geometry_low_confidence_total{{{LIVE}}}{EVERY}))"
            f" / sum by (version) (rate(ml_geometry_prediction_confidence_count{{{LIVE}}}{EVERY}))",
            "{{version}}",
        ),
        unit="percentunit",
    ),
)

DRIFT = (
    graph(
        "Evidence of drift",
        "Logarithm of the averaged e-detector per signal. At the bound it alarms; beneath, it says nothing is wrong.",
        Query(f"ml_geometry_prediction_drift{{{TOLD}}}", "{{signal}} {{version}}"),
        Query(f"ml_geometry_prediction_drift_threshold{{{TOLD}}}", "bound"),
        floor=None,
    ),
    timeline(
        "Alarms",
        "Since when a signal's evidence is at its bound.",
        Query(f"ml_geometry_prediction_drift_alarm{{{TOLD}}}", "{{signal}} {{version}}"),
    ),
    graph(
        "Effect size (PSI)",
        "How far each signal is from its reference: about .1 is a shift, .25 a large one. An effect, not a test.",
        Query(f"ml_geometry_prediction_drift_effect_psi{{{TOLD}}}", "{{signal}} {{version}}"),
        width=8,
    ),
    graph(
        "Class mix against the last week",
        "PSI and Jensen-Shannon distance of the last hour's classes, by recording rule.",
        Query(f"ml_geometry_prediction_drift:psi{{{OWN}}}", "PSI"),
        Query(f"ml_geometry_prediction_drift:js{{{OWN}}}", "Jensen-Shannon"),
        width=8,
    ),
    graph(
        "Reference",
        "Predictions that a signal's reference was made of. 0: warming, it shows its effect and cannot alarm.",
        Query(f"ml_geometry_prediction_drift_reference_size{{{TOLD}}}", "{{signal}} {{version}}"),
        width=8,
    ),
)

LABELS = (
    graph(
        "Accuracy from labels",
        "Right labels over all labels, by version. It needs people who label.",
        Query(f"ml_geometry_accuracy{{{TOLD}}}", "{{version}}"),
        unit="percentunit",
        maximum=1,
    ),
    graph(
        "Labels",
        "How many arrived within an hour, right and wrong.",
        Query(
            f"sum by (version, correct) (increase(ml_geometry_labelled_total{{{TOLD}}}[1h]))",
            "{{version}} correct={{correct}}",
        ),
        stacked=True,
    ),
)

INPUTS = (
    graph(
        "Means of the input",
        "Mean of each feature of live images, as a multiple of its mean of the last day.",
        *(
            Query(
                f'sum(rate(ml_geometry_input_feature_sum{{{LIVE}, feature="{name}"}}{EVERY}))'
                f' / sum(rate(ml_geometry_input_feature_count{{{LIVE}, feature="{name}"}}{EVERY}))'
                f' / (sum(rate(ml_geometry_input_feature_sum{{{LIVE}, feature="{name}"}}[1d]))'
                f' / sum(rate(ml_geometry_input_feature_count{{{LIVE}, feature="{name}"}}[1d])))',
                name,
            )
            for name in FEATURES
        ),
        width=24,
    ),
    *(
        heat(
            name,
            "How many live images had which value; the edges are those of the card's reference.",
            Query(
                f'sum by (le) (increase(ml_geometry_input_feature_bucket{{{LIVE}, feature="{name}"}}{EVERY}))',
                "{{le}}",
            ),
            unit="bytes" if name == "size_bytes" else "short",
            width=8,
        )
        for name in FEATURES
    ),
)

MODEL = Board(
    name="model",
    description="Classes, confidence, drift with bounds and effect sizes, accuracy where labels exist, input features.",
    variables=("namespace", "service", "model"),
    rows={"Now": NOW, "Answers": ANSWERS, "Drift": DRIFT, "Labels": LABELS, "Inputs": INPUTS},
)
