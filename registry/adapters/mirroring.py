"""`python -m registry.adapters.mirroring HOME MODEL`: one projection of a model's journal, as a process of its own.

Writes reports that are missing, then makes the MLflow at MLFLOW_TRACKING_URI agree. The last line that it prints is its
answer: {changes, absent, behind}, or in words what kept it from having one.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from registry.adapters.tracking import Report, project
from registry.domain.errors import RegistryError, Unreachable
from registry.domain.journal import Entry
from registry.domain.mirror import Mirrored, mirrored
from registry.domain.version import Model, Version, model_name
from registry.store.candidate import read_recorded_card
from registry.store.home import Home
from registry.store.reports import report_path, write_reports

_NICE = 5
"""Nobody waits for a mirror; who predicts beside it has the processor first."""

# A tracking server that is away must cost seconds: MLflow's own defaults are seven retries of two minutes each.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def main(arguments: Sequence[str], tracking_uri: str) -> int:
    """Project once and print what was done. Returns 0, 1 for a journal that cannot be read, 5 without MLflow."""
    home, model = Home(Path(arguments[0])), model_name(arguments[1])
    try:
        entries = home.journal_of(model).read()
        wanted = mirrored(model, entries)
        reports, behind = _reports(home, model, entries)
        done = project(
            tracking_uri=tracking_uri,
            wanted=wanted,
            run_of=lambda version: _run_of(home, wanted, version),
            reports=reports,
        )
    except RegistryError as error:
        print(error)
        return 5 if isinstance(error, Unreachable) else 1
    print(json.dumps({"changes": done.changes, "absent": done.absent, "behind": [*behind, *done.unattached]}))
    return 0


def _reports(home: Home, model: Model, entries: Sequence[Entry]) -> tuple[list[Report], list[str]]:
    """The reports of rollouts that have ended, written where missing, and why there are none."""
    try:
        ended = write_reports(home, model, entries)
    except (RegistryError, OSError) as error:
        return [], [f"reports: not written ({error})"]
    return [Report(account.version, report_path(home, model, account.sequence)) for account in ended], []


def _run_of(home: Home, wanted: Mirrored, version: Version) -> str | None:
    """The run that a version was trained in, from its signed card."""
    card = read_recorded_card(home.versions(), wanted.model, version, digest=wanted.digest(version))
    return None if card is None else card.lineage.run_id


if __name__ == "__main__":
    os.nice(_NICE)
    os.environ.update({**_PATIENCE, **os.environ})
    sys.exit(main(sys.argv[1:], os.environ["MLFLOW_TRACKING_URI"]))
