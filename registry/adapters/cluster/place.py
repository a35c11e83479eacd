"""An installation in a cluster as the command line sees it: requests are Promotions and Approvals, reading goes to the
controller through the API server's service proxy.

Nothing that is read is taken on trust: the journal's chain and what the manifest lists are checked here as they are on
one machine. Signatures are the controller's to check, which alone has the trust list.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from registry.adapters.cluster.api import APPROVALS, CONFIG_MAPS, PROMOTIONS, Api, Resource
from registry.adapters.cluster.examining import examine_cluster
from registry.adapters.cluster.labels import LABEL, spooled
from registry.domain.account import Account
from registry.domain.card import CARD, Card, parse_card
from registry.domain.checklist import Candidate
from registry.domain.control import CONTROLS, answer_control
from registry.domain.documents import sha256, timestamp
from registry.domain.errors import InvalidDocument, JournalDamaged, NotFound, NotVerified, Refused, Unreachable
from registry.domain.evaluation import EVALUATION, parse_evaluation
from registry.domain.fold import fold
from registry.domain.journal import NO_ANCHOR, Anchor, Entry, Kind, parse_entry, verify_chain
from registry.domain.label_lines import Label, label_lines
from registry.domain.labels import AT_MOST
from registry.domain.manifest import MANIFEST, Manifest, parse_manifest
from registry.domain.objects import Object, parse_anchor
from registry.domain.observation import Latency
from registry.domain.policy import Policy
from registry.domain.state import Request, State
from registry.domain.version import Model, Version
from registry.store import durable
from registry.store.backup import LOCK, Backup, place_backup
from registry.store.doctor import Finding
from registry.store.policy import parse_policy_text
from registry.store.reports import write_report
from registry.store.streaming import unpacked

SERVICE = "geometry-controller:http"
"""Service and port of the controller."""

CHOICES = ("action", "model", "version", "to", "base", "weight", "seconds", "sourceStage", "force", "reason")
"""Fields of a request that a Promotion has; what is empty is left out."""


@dataclass
class ClusterJournal:
    """One model's, read anew from where the last read ended."""

    place: "ClusterPlace"
    model: Model
    _entries: tuple[Entry, ...] = ()

    def read(self) -> tuple[Entry, ...]:
        """All entries, verified. Raises JournalDamaged or Unreachable."""
        while lines := self.place.read(f"/models/{self.model}/journal", after=str(len(self._entries))):
            after = self._entries[-1].anchor if self._entries else NO_ANCHOR
            try:
                new = [parse_entry(line, name=self.model) for line in lines.splitlines(keepends=True)]
                verify_chain(new, after=after)
            except (InvalidDocument, JournalDamaged) as error:
                raise JournalDamaged(
                    f"{self.place.title}: {error}; `geometry doctor` there names what is wrong"
                ) from error
            self._entries += tuple(new)
        return self._entries


@dataclass
class ClusterPlace:
    """A namespace. reports: the folder of this machine that reports are written to."""

    api: Api
    reports: Path
    pace: ClassVar[float] = 1.0
    _filed: dict[str, tuple[Resource, str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"namespace {self.api.namespace}"

    @property
    def namespace(self) -> str:
        return self.api.namespace

    @property
    def logs(self) -> str:
        return f"`kubectl logs -n {self.api.namespace} deployment/geometry-controller`"

    @property
    def exists(self) -> bool:
        return True

    def read(self, path: str, **query: str) -> bytes:
        """What the controller answers. Raises Unreachable, NotFound."""
        return self.api.proxied(SERVICE, path, query or None)

    def require_controller(self) -> None:
        try:
            self.read("/readyz")
        except (Unreachable, NotFound) as error:
            raise Unreachable(
                f"{self.title}: no controller answers ({error}); "
                f"`kubectl get pods -n {self.api.namespace}` and {self.logs} say why"
            ) from error

    def controller_runs(self) -> bool:
        try:
            self.require_controller()
        except Unreachable:
            return False
        return True

    def acted_upon(self, model: Model) -> Anchor:
        found = self._json(f"/models/{model}/anchor")["anchor"]
        return NO_ANCHOR if found is None else parse_anchor(found)

    def journal_of(self, model: Model) -> ClusterJournal:
        return ClusterJournal(self, model)

    def view(self, model: Model) -> dict[str, Any]:
        return self._json(f"/models/{model}/view")

    def caller(self) -> str:
        return self.api.caller()

    def file(self, model: Model, request: Mapping[str, Any], *, by: str | None) -> str:
        """Make the object that asks. Raises Refused: the schema, a policy or RBAC says no."""
        if by is not None:
            raise Refused("--as: in a cluster who asks is who the API server knows; use a context of that person")
        if request["action"] in CONTROLS:
            return self._control(model, request)
        if request["action"] == "approve":
            return self._approve(model, request)
        wanted = {"model": model, **request, "to": request.get("to") if request["action"] == "promote" else None}
        spec = {key: wanted[key] for key in CHOICES if wanted.get(key)}
        return self._create(PROMOTIONS, "Promotion", {**spec, "requestedBy": self.caller()})

    def declined(self, request: str) -> str | None:
        """Of what was filed here: why the controller refused it without an entry."""
        if request not in self._filed:
            return None
        resource, name = self._filed[request]
        try:
            status = self.api.get(resource, name).get("status") or {}
        except NotFound:
            return "it was deleted meanwhile"
        return str(status.get("message")) if status.get("phase") == "Refused" and "sequence" not in status else None

    def models(self) -> Sequence[Model]:
        """Models with a journal or a version."""
        return [Model(name) for name in self._json("/models")["models"]]

    def stored(self, model: Model) -> Sequence[Version]:
        return [Version(name) for name in self._json(f"/models/{model}/versions")["versions"]]

    def candidate(self, model: Model, version: Version) -> Candidate:
        """Verified by the controller, and read by the manifest that it verified."""
        at = f"/models/{model}/versions/{version}"
        wrong = self._json(f"{at}/verification")["error"]
        if wrong is not None:
            return Candidate(version, verification_error=str(wrong))
        manifest = parse_manifest(self.read(f"{at}/{MANIFEST}"))
        card = parse_card(self._listed(manifest, CARD))
        evaluation = parse_evaluation(self._listed(manifest, EVALUATION))
        return Candidate(version, manifest, card=card, evaluation=evaluation)

    def recorded_card(self, model: Model, version: Version, *, digest: str) -> Card | None:
        try:
            manifest = parse_manifest(self.read(f"/models/{model}/versions/{version}/{MANIFEST}"))
            return parse_card(self._listed(manifest, CARD)) if manifest.digest == digest else None
        except (NotFound, NotVerified, InvalidDocument):
            return None

    def policy(self) -> Policy:
        return parse_policy_text(self.read("/policy").decode(), where=f"{self.title}: policy")

    def latency(self, candidate: Candidate, model: Model, requests: int) -> Latency | None:  # noqa: ARG002 - see there
        """Pods are not reached from here; the controller measures once it is asked."""
        return None

    def report(self, account: Account) -> Path:
        path = self.reports / self.api.namespace / account.model / f"{account.sequence}.html"
        return write_report(path, account, self.candidate)

    def examine(self) -> Sequence[Finding]:
        return list(examine_cluster(self))

    def back_up(self, to: Path | None) -> Backup:
        """The controller's stream, proved here before it gets its name."""
        if to is None:
            raise Refused("where to? Add --to DIR: of this machine")
        durable.make_directory(to)
        target = to.absolute() / timestamp(datetime.now(UTC)).replace(":", "-")
        with durable.locked(to / LOCK), self.api.streamed(SERVICE, "/backup") as stream:
            durable.clear_aside_directories(to)
            return place_backup(target, unpacked(stream, where=f"backup of {self.title}"))

    def leave_labels(self, model: Model, labels: Sequence[Label]) -> Sequence[str]:
        names: list[str] = []
        for start in range(0, len(labels), AT_MOST):
            lines = label_lines(labels[start : start + AT_MOST])
            metadata = {"generateName": f"labels-{model}-", "labels": {LABEL: model}}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"labels.jsonl": lines}}
            names += spooled(self.api.create(CONFIG_MAPS, body)).values()
        return names

    def _control(self, model: Model, request: Mapping[str, Any]) -> str:
        """Say it to the Promotion that it is about; refused at once where there is none.

        One that was filed here is spoken to before the journal has it: it hears once it was taken.
        """
        about = request.get("promotion")
        if about not in self._filed:
            state = self._state(model)
            (answer,) = answer_control(state, _request(request, state))
            if answer.kind is Kind.REFUSED:
                raise Refused(f"refused: {answer.data['reason']}")
            about = state.rollout.request if state.rollout is not None else str(answer.data["promotion"])
        found = next((made for made in self.api.list(PROMOTIONS) if made["metadata"]["uid"] == about), None)
        if found is None:
            raise Refused(f"{self.title}: the Promotion of what is in progress is gone, so it is being aborted")
        # None takes away what was said before.
        control = {"action": request["action"], "by": self.caller(), "reason": request.get("reason") or None}
        changed = self.api.patch(PROMOTIONS, found["metadata"]["name"], {"spec": {"control": control}})
        return f"{about}.{changed['metadata']['generation']}"

    def _approve(self, model: Model, request: Mapping[str, Any]) -> str:
        version = Version(request["version"])
        digest, why = self._state(model).version(version).digest, request.get("reason")
        spec = {"model": model, "version": version, "digest": digest, "by": self.caller()}
        return self._create(APPROVALS, "Approval", {**spec, **({"reason": why} if why else {})})

    def _create(self, resource: Resource, kind: str, spec: Mapping[str, Any]) -> str:
        of = "-".join(str(spec[key]).replace(".", "-") for key in ("model", "version") if key in spec)
        metadata = {"generateName": f"{spec.get('action', 'approve')}-{of}-"}
        body = {"apiVersion": resource.group, "kind": kind, "metadata": metadata, "spec": dict(spec)}
        made = self.api.create(resource, body)
        uid = str(made["metadata"]["uid"])
        self._filed[uid] = (resource, made["metadata"]["name"])
        return uid

    def _state(self, model: Model) -> State:
        return fold(model, self.journal_of(model).read())

    def _listed(self, manifest: Manifest, name: str) -> bytes:
        """A file of a version, as its manifest lists it. Raises NotVerified."""
        content = self.read(f"/models/{manifest.model}/versions/{manifest.version}/{name}")
        wanted = next((entry.sha256 for entry in manifest.files if entry.path == name), None)
        if wanted != sha256(content):
            raise NotVerified(f"{manifest.model} {manifest.version}: {name} is not what its manifest lists")
        return content

    def _json(self, path: str) -> Object:
        found: Object = json.loads(self.read(path))
        return found


def _request(request: Mapping[str, Any], state: State) -> Request:
    """What would be asked, to hear beforehand whether it could be."""
    if state.time is None:
        raise Refused(f"{state.model} has no journal here; `geometry models list` shows what there is")
    return Request("", request["action"], None, "", None, "", "", state.time, promotion=request.get("promotion"))
