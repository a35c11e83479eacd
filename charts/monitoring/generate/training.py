"""Training: the newest versions by their cards."""

from charts.monitoring.generate.board import Board
from charts.monitoring.generate.panels import Bounds, Query, bars, graph, number, rows_of

OWN = 'namespace="$namespace", model="$model"'
PRODUCTION = f'{OWN}, stage="production"'

NOW = (
    number(
        "Newest version",
        "How long ago it was published.",
        Query(f"time() - max(ml_geometry_version_published_timestamp_seconds{{{OWN}}})"),
        unit="s",
        width=6,
    ),
    number(
        "Best accuracy",
        "On the test images, of the newest ten versions.",
        Query(f"max(ml_geometry_version_accuracy{{{OWN}}})"),
        unit="percentunit",
        width=6,
    ),
    number(
        "Production's accuracy",
        "On the test images.",
        Query(
            f"max(ml_geometry_version_accuracy{{{OWN}}} * on (namespace, model, version) group_left "
            f"ml_geometry_version_info{{{PRODUCTION}}})"
        ),
        unit="percentunit",
        bounds=Bounds(yellow=0.95, red=0.9, falling=True),
        width=6,
    ),
    number(
        "Production's calibration error",
        "Expected calibration error on the test images: how far confidence is from accuracy.",
        Query(
            f"max(ml_geometry_version_ece{{{OWN}}} * on (namespace, model, version) group_left "
            f"ml_geometry_version_info{{{PRODUCTION}}})"
        ),
        unit="percentunit",
        bounds=Bounds(yellow=0.05, red=0.1),
        width=6,
    ),
)

VERSIONS = (
    rows_of(
        "Versions",
        "The newest ten.",
        (
            Query(f"max by (version, stage) (ml_geometry_version_info{{{OWN}}})"),
            Query(f"max by (version) (ml_geometry_version_accuracy{{{OWN}}})"),
            Query(f"max by (version) (ml_geometry_version_ece{{{OWN}}})"),
            Query(f"max by (version) (ml_geometry_version_published_timestamp_seconds{{{OWN}}}) * 1000"),
        ),
        columns={
            "version": "version",
            "stage": "stage",
            "Value #B": "accuracy",
            "Value #C": "calibration error",
            "Value #D": "published",
        },
        units={"accuracy": "percentunit", "calibration error": "percentunit", "published": "dateTimeFromNow"},
        width=24,
    ),
    bars(
        "Accuracy",
        "On the test images.",
        Query(f"max by (version) (ml_geometry_version_accuracy{{{OWN}}})", "{{version}}"),
        unit="percentunit",
    ),
    bars(
        "Calibration error",
        "On the test images.",
        Query(f"max by (version) (ml_geometry_version_ece{{{OWN}}})", "{{version}}"),
        unit="percentunit",
    ),
    graph(
        "Stages",
        "Of the newest ten versions.",
        Query(f"count by (stage) (ml_geometry_version_info{{{OWN}}})", "{{stage}}"),
        stacked=True,
    ),
    graph(
        "Test images against live labels",
        "Accuracy of a version on its test images, and on what people have labelled of its live answers.",
        Query(f"ml_geometry_version_accuracy{{{OWN}}}", "test {{version}}"),
        Query(f"ml_geometry_accuracy{{{OWN}}}", "live {{version}}"),
        unit="percentunit",
        maximum=1,
    ),
)

TRAINING = Board(
    name="training",
    description="Versions, their accuracy and calibration, their stages.",
    variables=("namespace", "model"),
    rows={"Now": NOW, "Versions": VERSIONS},
)
