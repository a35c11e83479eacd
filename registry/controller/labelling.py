"""What a turn hears of answers and labels, and how labels leave the spool: only once the journal has them."""

import logging
from collections.abc import Mapping

from registry.controller.ports import Outcomes, Substrate
from registry.domain.answers import Answers
from registry.domain.errors import InvalidDocument
from registry.domain.labels import LabelFile
from registry.domain.state import State, release
from registry.domain.version import Version
from registry.store.labels import LabelSpool

_log = logging.getLogger(__name__)


def next_labels(spool: LabelSpool) -> LabelFile | None:
    """The file whose turn it is. One that cannot be read is put aside, and told."""
    for path in spool.files():
        try:
            return spool.read(path)
        except (InvalidDocument, OSError) as error:
            _log.error("labels.refused path=%s reason=%s", path, error)
            spool.refuse(path)
    return None


def heard(state: State, substrate: Substrate, outcomes: Outcomes) -> Mapping[Version, Answers]:
    """What the live revisions answered."""
    endpoints, live = substrate.endpoints(state.model), release(state).live
    asked = {found.version: endpoints[found.version].url if found.version in endpoints else None for found in live}
    return outcomes.answers(state.model, asked)
