"""One turn of the controller, as values: what was seen goes in, drafts of journal entries come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from registry.domain.checklist import Candidate
from registry.domain.journal import Draft
from registry.domain.judge import Evidence, StartMixture
from registry.domain.labels import LabelFile
from registry.domain.observation import Observation
from registry.domain.policy import Policy
from registry.domain.state import State
from registry.domain.verdict import Verdict
from registry.domain.version import Version
from registry.domain.windows import Answering, Segment, Uptime

CONTROLLER = "controller"
"""The actor of entries nobody asked for."""

JUMP = timedelta(seconds=60)
"""A clock that went forward by more than this between two turns says nothing about the soak: hold for one turn."""

SETTLING = timedelta(seconds=3)
"""How long after the route shows new weights answers may still come from the old ones; they belong to no window."""

EVIDENCE_EVERY = timedelta(seconds=60)
"""Evidence is recorded at each verdict and at least this often."""


@dataclass(frozen=True)
class Memory:
    """What the controller keeps between turns and may lose: a restart drops the unfinished window, nothing else.

    subject: the rollout or rollback window it belongs to; another subject begins anew from what the journal has.
    evidence: per signal. answering: since when revisions answer. uptime: what restarts are counted from.
    """

    subject: tuple[str, ...] = ()
    segment: Segment | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    answering: Mapping[Version, Answering] = field(default_factory=dict)
    uptime: Uptime | None = None
    mixture: StartMixture = field(default_factory=StartMixture)
    good: int = 0
    bad: int = 0
    recorded: datetime | None = None
    last_turn: datetime | None = None


@dataclass(frozen=True)
class Turn:
    """Everything one turn decides on.

    found: versions whose directory is whole and verified, with their digests, oldest first. candidates: what the
    checklist reads, for versions that a waiting request or production names. labels: the next file of them.
    """

    state: State
    observation: Observation
    now: datetime
    policy: Policy
    memory: Memory = field(default_factory=Memory)
    found: Mapping[Version, str] = field(default_factory=dict)
    candidates: Mapping[Version, Candidate] = field(default_factory=dict)
    labels: LabelFile | None = None

    @property
    def jumped(self) -> bool:
        """Whether the clock went forward too far since the last turn."""
        return self.memory.last_turn is not None and self.now - self.memory.last_turn > JUMP


@dataclass(frozen=True)
class Decision:
    """Entries to record, in order, and what to remember for the next turn. verdict: what the judge said in this one."""

    drafts: tuple[Draft, ...]
    memory: Memory
    verdict: Verdict | None = None
