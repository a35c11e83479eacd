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
    live = {revision.version for revision in release(state).live}
    endpoints = substrate.endpoints(state.model)
    return outcomes.answers(
        state.model, {version: found.url for version, found in endpoints.items() if version in live}
    )
