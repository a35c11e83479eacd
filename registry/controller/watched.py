"""What the controller keeps of one model between two turns; all of it follows from the journal and may be lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from registry.controller.drifting import Drifting
from registry.controller.samples import Known
from registry.domain.errors import JournalDamaged
from registry.domain.fold import fold
from registry.domain.inbox import Told
from registry.domain.journal import NO_ANCHOR, Anchor, Entry
from registry.domain.progress import Ledger, follow
from registry.domain.state import State
from registry.domain.tally import Tally, tally
from registry.domain.traffic import Readings
from registry.domain.turn import Memory
from registry.domain.version import Version
from registry.store.journal import JournalStore


@dataclass
class Watched:
    """One model between two turns. head: the newest entry that was read; no journal without it is gone on from.

    problem, damaged, counted, told: as in `Known`.
    """

    journal: JournalStore
    state: State
    drift: Drifting
    memory: Memory = field(default_factory=Memory)
    ledger: Ledger = field(default_factory=Ledger)
    tally: Tally = field(default_factory=Tally)
    refused: dict[Version, tuple[int, str]] = field(default_factory=dict)
    pruned: set[Version] = field(default_factory=set)
    unpruned: dict[Version, str] = field(default_factory=dict)
    problem: str | None = None
    damaged: bool = False
    turns: int = 0
    counted: datetime | None = None
    told: Told | None = None
    readings: dict[Version, Readings] = field(default_factory=dict)
    head: Anchor = NO_ANCHOR

    def read(self, journal: JournalStore) -> Sequence[Entry]:
        """All entries, folded. When what was read before is gone, `journal` is read from its start the next time, as it
        may be another one that is to be adopted."""
        try:
            entries = self.journal.read()
        except JournalDamaged:
            self.journal, self.state, self.memory = journal, State(self.state.model), Memory()
            self.ledger, self.tally = Ledger(), Tally()
            raise
        new = entries[self.state.head.sequence :]
        self.state, self.ledger = fold(self.state.model, new, state=self.state), follow(new, self.ledger)
        self.tally = tally(new, self.tally)
        return entries

    @property
    def known(self) -> Known:
        """For whoever reads beside the turns."""
        return Known(self.told, self.tally, self.problem, self.damaged, self.counted)
