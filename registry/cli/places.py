"""An installation as the verbs see it: this machine's folder, or a namespace of a cluster. No verb knows which."""

import fcntl
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import typer

from registry.adapters.local.anchors import DIRECTORY, read_anchors
from registry.adapters.local.state import read_state
from registry.cli.options import NAMESPACE, advising, now, place, user
from registry.domain.account import Account
from registry.domain.card import Card
from registry.domain.checklist import Candidate
from registry.domain.errors import RegistryError, Unreachable
from registry.domain.fold import fold
from registry.domain.journal import NO_ANCHOR, Anchor, Entry
from registry.domain.label_lines import Label
from registry.domain.observation import Latency
from registry.domain.policy import Policy
from registry.domain.state import State
from registry.domain.version import Model, Version, model_name
from registry.store.backup import Backup, write_backup
from registry.store.candidate import read_candidate, read_recorded_card
from registry.store.doctor import Finding, examine
from registry.store.filing import file_request
from registry.store.home import Home
from registry.store.policy import load_policy
from registry.store.reports import report_path, write_report
from registry.store.view import read_view


class Journal(Protocol):
    """The entries of one model."""

    def read(self) -> tuple[Entry, ...]:
        """All of them, verified; what was read before is not read again. Raises JournalDamaged."""


class Place(Protocol):
    """Everything that verbs read of an installation, and the one way in which they ask for something."""

    @property
    def title(self) -> str:
        """What it is called in messages."""

    @property
    def namespace(self) -> str | None:
        """Of a cluster; None on one machine."""

    @property
    def pace(self) -> float:
        """Seconds between two looks of who waits."""

    @property
    def logs(self) -> str:
        """The command that shows what the controller said."""

    @property
    def exists(self) -> bool:
        """Whether there is an installation at all."""

    def require_controller(self) -> None:
        """Raise Unreachable, saying how to start it, when nobody would act on a request."""

    def controller_runs(self) -> bool:
        """Whether somebody would."""

    def acted_upon(self, model: Model) -> Anchor:
        """The entry last acted upon. Asked before the journal is read, which might look short otherwise."""

    def journal_of(self, model: Model) -> Journal:
        """The journal of a model, empty where there is none."""

    def view(self, model: Model) -> dict[str, Any]:
        """What the controller saw last."""

    def file(self, model: Model, request: Mapping[str, Any], *, by: str | None) -> str:
        """File a request; return the id by which the journal speaks of it. Raises Refused."""

    def declined(self, request: str) -> str | None:
        """Why a request never gets into the journal; None while it may."""

    def caller(self) -> str:
        """The name in which this process asks."""

    def stored(self, model: Model) -> Sequence[Version]:
        """Versions in the store, published or not."""

    def candidate(self, model: Model, version: Version) -> Candidate:
        """A version, verified."""

    def recorded_card(self, model: Model, version: Version, *, digest: str) -> Card | None:
        """The card of a version with this digest; None where it is gone or another one."""

    def policy(self) -> Policy:
        """The policy as it is now."""

    def latency(self, candidate: Candidate, model: Model, requests: int) -> Latency | None:
        """What the version's staging revision answers in; None where it cannot be asked from here."""

    def report(self, account: Account) -> Path:
        """Write the report of a rollout that has ended; return where it is."""

    def examine(self) -> Sequence[Finding]:
        """Look at everything that is here, and say what is wrong and what to do."""

    def back_up(self, to: Path | None) -> Backup:
        """Write a proved copy of all that is here into a new directory of `to`, which may be the policy's."""

    def leave_labels(self, model: Model, labels: Sequence[Label]) -> Sequence[str]:
        """Leave labels for the controller; return the names by which the journal will speak of them."""


@dataclass(frozen=True)
class LocalPlace:
    """A folder of this machine."""

    home: Home
    namespace: ClassVar[None] = None
    pace: ClassVar[float] = 0.2
    logs: str = "`geometry local logs`"

    @property
    def title(self) -> str:
        return str(self.home.root)

    @property
    def exists(self) -> bool:
        return self.home.root.exists()

    def require_controller(self) -> None:
        if not runs_here(self.home):
            raise Unreachable(f"{self.home.root}: no controller runs here; start it with `geometry local up`")

    def controller_runs(self) -> bool:
        return runs_here(self.home)

    def acted_upon(self, model: Model) -> Anchor:
        return read_anchors(self.home.root / DIRECTORY).get(model, NO_ANCHOR)

    def journal_of(self, model: Model) -> Journal:
        return self.home.journal_of(model)

    def view(self, model: Model) -> dict[str, Any]:
        return read_view(self.home, model)

    def file(self, model: Model, request: Mapping[str, Any], *, by: str | None) -> str:
        """by: another name than the login's. Nobody checks it on one machine, so the entry keeps the login beside."""
        actor = {"authenticated": False, **({"login": user()} if by else {})}
        asked = {"id": uuid.uuid4().hex, "model": model, **request, **actor}
        filed = file_request(self.home.journal_of(model), asked, by=by or user(), now=now())
        return str(filed.data["id"])

    def declined(self, request: str) -> str | None:  # noqa: ARG002 - every request is in the journal
        return None

    def caller(self) -> str:
        return user()

    def stored(self, model: Model) -> Sequence[Version]:
        return self.home.versions().versions(model)

    def candidate(self, model: Model, version: Version) -> Candidate:
        return read_candidate(self.home.versions(), self.home.trust(), model, version)

    def recorded_card(self, model: Model, version: Version, *, digest: str) -> Card | None:
        return read_recorded_card(self.home.versions(), model, version, digest=digest)

    def policy(self) -> Policy:
        return load_policy(self.home.policy)

    def latency(self, candidate: Candidate, model: Model, requests: int) -> Latency | None:
        from registry.adapters.latency import Subject, measure

        running = read_state(self.home.root)
        for revision in running.revisions if running and candidate.card else ():
            if (revision.model, revision.version) == (model, candidate.version) and revision.staging and revision.ready:
                url = f"http://127.0.0.1:{revision.http}"
                return measure(Subject(url, model, candidate.card.input, requests)) if candidate.card else None
        return None

    def report(self, account: Account) -> Path:
        return write_report(report_path(self.home, account.model, account.sequence), account, self.candidate)

    def examine(self) -> Sequence[Finding]:
        try:
            anchors = read_anchors(self.home.root / DIRECTORY)
        except RegistryError as error:
            return [Finding("anchors", False, str(error)), *examine(self.home, {})]
        return list(examine(self.home, anchors))

    def back_up(self, to: Path | None) -> Backup:
        wanted = to or self.policy().backup.to
        if wanted is None:
            raise typer.BadParameter("where to? Add --to DIR, or backup: {to: DIR} to the policy")
        anchors = read_anchors(self.home.root / DIRECTORY)
        where = to.absolute() if to else self.home.root / wanted
        with advising("`geometry doctor` names all that is wrong; mend it, then make the backup again"):
            return write_backup(self.home, where, anchors=anchors, now=now())

    def leave_labels(self, model: Model, labels: Sequence[Label]) -> Sequence[str]:
        return self.home.labels_of(model).add(labels, now=now())


def installation(home: Path | None, context: str | None, namespace: str | None) -> Place:
    """The installation that was named: a namespace where there is a context, else this machine's folder."""
    found = place(home)
    if context is not None:
        try:
            from registry.adapters.cluster.api import connect  # a machine's installation needs no Kubernetes client
            from registry.adapters.cluster.place import ClusterPlace
        except ModuleNotFoundError as error:
            raise RegistryError(f"{error.name} is not installed here; install the extra `cluster`") from error
        return ClusterPlace(connect(context, namespace), found.root / "reports" / context)
    if namespace not in (None, os.environ.get(NAMESPACE)):
        raise typer.BadParameter(f"--namespace {namespace}: of which cluster? Add --context")
    return LocalPlace(found)


def state_of(found: Place, model: str) -> State:
    """The state of a model as its journal tells it now."""
    name = model_name(model)
    return fold(name, found.journal_of(name).read())


def runs_here(home: Home) -> bool:
    """Whether a controller holds the installation's lock."""
    if not home.lock.exists():
        return False
    with home.lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
