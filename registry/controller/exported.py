"""Names, labels and meaning of what the controller exports, as a table: rules and dashboards are checked against it.

Label values are names of models and versions and closed sets; of versions only the newest and those that serve.
"""

from typing import NamedTuple


class Family(NamedTuple):
    """One metric. counter: it only grows while the journal does."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()
    counter: bool = False


TURNS = "ml_geometry_controller_turns_total"
TURN_SECONDS = "ml_geometry_controller_turn_seconds"
ACTING = "ml_geometry_controller_acting"
CONFLICTS = "ml_geometry_controller_conflicts_total"
LAST_TURN = "ml_geometry_controller_last_turn_timestamp_seconds"
PROBLEM = "ml_geometry_controller_problem"
PHASE = "ml_geometry_rollout_phase"
STEP = "ml_geometry_rollout_step"
STARTED = "ml_geometry_rollout_started_timestamp_seconds"
WEIGHT = "ml_geometry_rollout_weight"
VERDICT = "ml_geometry_rollout_verdict"
ROLLOUTS = "ml_geometry_rollouts_total"
EVIDENCE = "ml_geometry_rollout_evidence"
THRESHOLD = "ml_geometry_rollout_evidence_threshold"
EVIDENCE_TIME = "ml_geometry_evidence_timestamp_seconds"
RECORDED = "ml_geometry_recorded_info"
ANCHOR = "ml_geometry_anchor_mismatch"
LABELLED = "ml_geometry_labelled_total"
VERSION = "ml_geometry_version_info"
ACCURACY = "ml_geometry_version_accuracy"
ECE = "ml_geometry_version_ece"
PUBLISHED = "ml_geometry_version_published_timestamp_seconds"
VOLUME = "ml_geometry_volume_bytes"
BACKUP_TIME = "ml_geometry_backup_last_success_timestamp_seconds"
BACKUP_EVERY = "ml_geometry_backup_interval_seconds"
DRIFT = "ml_geometry_prediction_drift"
DRIFT_THRESHOLD = "ml_geometry_prediction_drift_threshold"
DRIFT_ALARM = "ml_geometry_prediction_drift_alarm"
DRIFT_PSI = "ml_geometry_prediction_drift_effect_psi"
DRIFT_REFERENCE = "ml_geometry_prediction_drift_reference_size"
DRIFT_TIME = "ml_geometry_prediction_drift_last_evaluation_timestamp_seconds"

_OF_VERSION = ("model", "version")
_OF_SIGNAL = ("model", "version", "signal")

FAMILIES = (
    Family(CONFLICTS, "Turns and writes that somebody else's write overtook; each is tried again.", counter=True),
    Family(LAST_TURN, "When the last turn ended that decided for this model, 0 before the first.", ("model",)),
    Family(PROBLEM, "1 while something keeps the model from being acted upon.", ("model",)),
    Family(PHASE, "1 for the present one.", ("model", "phase")),
    Family(STEP, "The step of what is in progress, from 1; 0 before the first and when nothing is.", ("model",)),
    Family(STARTED, "When what is in progress began, its rollback window included; 0 when nothing is.", ("model",)),
    Family(WEIGHT, "Percent of live requests that production and the canary shall get.", _OF_VERSION),
    Family(VERDICT, "1 for the last one of what is in progress.", ("model", "verdict")),
    Family(ROLLOUTS, "Rollouts that ended; one that goes back in its window counts twice.", ("model", "result"), True),
    Family(EVIDENCE, "Natural logarithm of the e-value; 0 says nothing.", ("model", "signal", "test")),
    Family(THRESHOLD, "Logarithm at which the test decides; NaN while it does not run.", ("model", "test")),
    Family(EVIDENCE_TIME, "When counters of every judged revision were last read, 0 for never.", ("model",)),
    Family(RECORDED, "What the journal says should serve.", ("model", "version", "digest", "role")),
    Family(ANCHOR, "1 while the journal is not the one that was acted upon.", ("model",)),
    Family(LABELLED, "Live answers that somebody labelled.", (*_OF_VERSION, "correct"), True),
    Family(VERSION, "The newest versions and their stage.", (*_OF_VERSION, "stage")),
    Family(ACCURACY, "Accuracy on the test split, as its card says.", _OF_VERSION),
    Family(ECE, "Expected calibration error on the test split, as its card says.", _OF_VERSION),
    Family(PUBLISHED, "When the journal recorded the version.", _OF_VERSION),
    Family(VOLUME, "Size and free bytes of the file system.", ("volume", "kind")),
    Family(BACKUP_TIME, "When the newest backup was made, 0 for never."),
    Family(BACKUP_EVERY, "Seconds between two backups, as the policy asks; 0 when it asks for none."),
    Family(DRIFT, "Logarithm of the mean e-detector; 0 says nothing.", _OF_SIGNAL),
    Family(DRIFT_THRESHOLD, "Logarithm at which drift alarms.", ("model",)),
    Family(DRIFT_ALARM, "1 while the signal alarms.", _OF_SIGNAL),
    Family(DRIFT_PSI, "Population stability index against the reference.", _OF_SIGNAL),
    Family(DRIFT_REFERENCE, "Predictions in the reference, 0 while there is none.", _OF_SIGNAL),
    Family(DRIFT_TIME, "When drift was last evaluated, 0 for never.", ("model",)),
)
"""All that is read from what the controller knows. TURNS, TURN_SECONDS and ACTING are counted as turns go."""

NAMES = (TURNS, TURN_SECONDS, ACTING, *(family.name for family in FAMILIES))
"""Every metric of the controller, as a query names it; TURN_SECONDS is a histogram (_bucket, _sum, _count)."""
