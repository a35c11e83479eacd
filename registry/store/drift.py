"""The file of what is known of a model's drift, beside its journal and of no use without it: a projection.

Missing or damaged it means that evidence begins anew; what lasts is in the journal.
"""

import logging

from registry.domain.drift_watch import Watch, parse_watch
from registry.domain.errors import InvalidDocument
from registry.domain.version import Model
from registry.store import durable
from registry.store.home import Home

NAME = "drift.state"
"""No name of an entry: the journal's readers pass over it."""

_log = logging.getLogger(__name__)


def read_drift(home: Home, model: Model) -> Watch:
    """What was written last."""
    try:
        return parse_watch((home.journal / model / NAME).read_bytes())
    except FileNotFoundError:
        return Watch()
    except (InvalidDocument, OSError) as error:
        _log.warning("drift.anew model=%s reason=%s", model, error)
        return Watch()


def write_drift(home: Home, model: Model, watch: Watch) -> None:
    """Replace it in one step; raises OSError."""
    durable.replace(home.journal / model / NAME, watch.content())
