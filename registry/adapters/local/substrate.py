"""Releases as processes behind Envoy, on one machine.

    turn: observe(model, now) ──► the controller decides and records ──► apply(releases, now)

`apply` takes one step towards the releases and returns; the next turn takes the next. Going up a process comes before
its weight, going down its weight leaves before the process. One controller per installation calls this, from its main
thread, and its death is the death of every process here.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from registry.adapters.local import anchors, envoy
from registry.adapters.local.envoy import LIVE, Ports
from registry.adapters.local.gateway import Gateway
from registry.adapters.local.processes import GRACE
from registry.adapters.local.proxy import Applied
from registry.adapters.local.revision import Program, RevisionProcess
from registry.adapters.local.state import LocalState, RevisionState, forget_state, write_state
from registry.adapters.local.workloads import Workload, routes, workloads
from registry.domain.journal import Anchor
from registry.domain.objects import Object, Templates, render
from registry.domain.observation import Endpoint, ObservedRevision, ObservedRoute
from registry.domain.policy import Serving
from registry.domain.release import Release
from registry.domain.version import Model, Version

DRAIN = timedelta(seconds=5)
"""A revision without weight is stopped when it had no request for so long."""

_PROBE = 1.0
"""Seconds a predictor may take to answer a probe."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desired:
    """What one model shall be: its release, read from the rendered objects."""

    release: Release
    workloads: Mapping[str, Workload]
    live: tuple[Object, ...]
    pinned: tuple[Object, ...]


class LocalSubstrate:
    """All revisions and the Envoy of one installation. metrics: where the controller tells its own, for the state."""

    def __init__(
        self,
        *,
        home: Path,
        program: Program,
        ports: Ports,
        templates: Templates,
        serving: Serving,
        drain: timedelta = DRAIN,
    ) -> None:
        self.metrics, self.conflicts = "", 0
        self.gateway = Gateway(directory=home / anchors.DIRECTORY, logs=program.logs, ports=ports)
        self._home = home
        self._program = program
        self._templates = templates
        self._serving = serving
        self._drain = drain
        self._client = httpx.Client(timeout=_PROBE, trust_env=False)
        self._desired: dict[Model, Desired] = {}
        self._routed: dict[Model, Desired] = {}
        self._revisions: dict[str, RevisionProcess] = {}
        self._seen: dict[Model, tuple[Mapping[Version, int], datetime]] = {}

    def start(self, now: datetime) -> None:
        """Envoy up, without routes. Raises Unreachable when a port is taken or Envoy does not come up."""
        try:
            self.gateway.start(now)
        except BaseException:
            self.stop(now)
            raise
        self._write_state()

    def observe(self, model: Model, now: datetime) -> tuple[Mapping[Version, ObservedRevision], ObservedRoute | None]:
        """Probe every revision of `model` and read its live route from Envoy. A route of None: could not be asked."""
        found: dict[Version, ObservedRevision] = {}
        for revision in self._of_model(model):
            revision.probe(now)
            found[revision.workload.version] = revision.observed()
        applied = self.gateway.applied()
        return found, None if applied is None else self._observed_route(model, applied, now)

    def anchor(self, model: Model) -> Anchor | None:
        """The journal entry last acted upon. Raises InvalidDocument when the anchors' file is damaged."""
        return self.gateway.anchors().get(model)

    @property
    def proxy_url(self) -> str:
        """Envoy's admin port."""
        return self.gateway.proxy.url

    def apply(self, releases: Sequence[Release], now: datetime) -> None:
        """One step towards these releases; models that are not named stay as they are.

        Raises InvalidDocument, before anything is touched, for a release that cannot be.
        """
        self._desired |= {release.model: self._read(release) for release in releases}
        self.gateway.step(now)
        self._run_wanted(now)
        self.gateway.write_clusters([revision.backend for revision in self._revisions.values() if revision.http])
        applied = self.gateway.applied()
        if applied is not None:
            self._route(applied)
            self._retire(now)
        self._write_state()

    def endpoints(self, model: Model) -> Mapping[Version, Endpoint]:
        """Where the running revisions of `model` answer directly, past Envoy."""
        return {
            revision.workload.version: self._endpoint(revision)
            for revision in self._of_model(model)
            if revision.child.pid
        }

    def _endpoint(self, revision: RevisionProcess) -> Endpoint:
        return Endpoint(
            url=revision.url,
            grpc=f"{envoy.LOOPBACK}:{revision.grpc}",
            incarnation=f"{revision.child.pid}.{self.gateway.child.pid}",
        )

    def staging(self, model: Model) -> Endpoint | None:
        """Where the staging revision of `model` answers, once it is the released one, identified and ready."""
        wanted = self._wanted()
        for revision in self._of_model(model):
            workload = revision.workload
            if workload.staging and wanted.get(workload.service) == workload and revision.ready and revision.verified:
                return self._endpoint(revision)
        return None

    def stop(self, now: datetime) -> None:
        """End everything when the requests under way are answered; killed is what takes too long."""
        children = [self.gateway.child, *(revision.child for revision in self._revisions.values())]
        self.gateway.drain(GRACE.total_seconds())
        self.gateway.stop(now)
        for child in children:
            child.terminate(now)
        for child in children:
            if not child.wait(timeout=GRACE.total_seconds()):
                child.kill()
                child.wait(timeout=GRACE.total_seconds())
        self._revisions.clear()
        self._client.close()
        self.gateway.proxy.close()
        forget_state(self._home)

    def _of_model(self, model: Model) -> list[RevisionProcess]:
        """Its revisions; where a version runs twice, the one that gets live traffic comes last and counts."""
        found = [revision for revision in self._revisions.values() if revision.workload.model == model]
        return sorted(found, key=lambda revision: not revision.workload.staging)

    def _observed_route(self, model: Model, applied: Applied, now: datetime) -> ObservedRoute:
        weights = envoy.weights(applied.live, model)
        if self._seen.get(model, (None, now))[0] != weights:
            self._seen[model] = (weights, now)
        return ObservedRoute(weights, self._seen[model][1], self.gateway.anchors().get(model))

    def _read(self, release: Release) -> Desired:
        objects = render(release, self._templates, self._serving)
        return Desired(
            release=release,
            workloads={workload.service: workload for workload in workloads(objects)},
            live=routes(objects, live=True),
            pinned=routes(objects, live=False),
        )

    def _wanted(self) -> dict[str, Workload]:
        return {name: found for desired in self._desired.values() for name, found in desired.workloads.items()}

    def _run_wanted(self, now: datetime) -> None:
        for service, workload in self._wanted().items():
            if service not in self._revisions:
                self._revisions[service] = RevisionProcess(workload, self._program, self._client)
                _log.info("revision.starting service=%s digest=%s", service, workload.digest)
            elif self._revisions[service].workload != workload:  # another net of the same version
                self._revisions[service].child.terminate(now)
        for service, revision in tuple(self._revisions.items()):
            revision.supervise(now)
            if revision.child.stopped:
                _log.info("revision.stopped service=%s", service)
                del self._revisions[service]
            elif not revision.ready:
                revision.probe(now)

    def _route(self, applied: Applied) -> None:
        """Give each model its new route when that may be, and write what all of them have then."""
        moved = [
            desired
            for model, desired in self._desired.items()
            if self._routed.get(model) != desired and self._may_route(desired, applied)
        ]
        self._routed |= {desired.release.model: desired for desired in moved}
        live = {model: desired.live for model, desired in self._routed.items()}
        pinned = {model: desired.pinned for model, desired in self._routed.items()}
        self.gateway.write_routes(live=live, pinned=pinned)
        for desired in moved:
            self.gateway.write_anchor(desired.release.model, desired.release.anchor)

    def _may_route(self, desired: Desired, applied: Applied) -> bool:
        """Clusters first; whoever gains weight must have shown the release's digest and be ready.

        Readiness is not waited for when a weight goes to 0: taking traffic away never waits.
        """
        configurations = [
            envoy.route_configuration(purpose, {desired.release.model: objects})
            for purpose, objects in ((LIVE, desired.live), (envoy.PINNED, desired.pinned))
        ]
        if not frozenset().union(*map(envoy.referenced, configurations)) <= applied.clusters:
            return False
        now_used = envoy.weights(applied.live, desired.release.model)
        wanted = desired.release.weights
        leaves = any(weight and not wanted.get(version) for version, weight in now_used.items())
        gains = {version for version, weight in wanted.items() if weight > now_used.get(version, 0)}
        gains |= {canary.version for canary in desired.release.canaries if canary.mirror}
        running = {
            revision.workload.version: revision
            for revision in self._of_model(desired.release.model)
            if not revision.workload.staging and not revision.child.stopping
        }
        return all(
            version in running and running[version].verified and (running[version].ready or leaves) for version in gains
        )

    def _retire(self, now: datetime) -> None:
        """Stop what no release wants and no route sends to, once it has been idle for the drain time."""
        applied = self.gateway.applied()
        if applied is None:
            return
        used = envoy.referenced(applied.live) | envoy.referenced(applied.pinned)
        wanted = self._wanted()
        for service, revision in self._revisions.items():
            if revision.child.stopping:
                continue
            names = _cluster_names(revision)
            if service in wanted or used & names or self.gateway.proxy.active_requests(names) != 0:
                revision.idle_since = None
                continue
            revision.idle_since = revision.idle_since or now
            if now - revision.idle_since >= self._drain:
                revision.child.terminate(now)

    def _write_state(self) -> None:
        ports = self.gateway.ports
        state = LocalState(
            envoy=self.gateway.child.pid,
            public=f"http://{envoy.LOOPBACK}:{ports.public}",
            pinned=f"http://{envoy.LOOPBACK}:{ports.pinned}",
            admin=self.gateway.proxy.url,
            revisions=tuple(_state(revision) for revision in self._revisions.values()),
            metrics=self.metrics,
        )
        write_state(self._home, state)


def _cluster_names(revision: RevisionProcess) -> frozenset[str]:
    backend = revision.backend
    return frozenset(
        envoy.cluster_name(purpose, backend.service, grpc=grpc)
        for purpose in backend.purposes
        for grpc in (False, True)
    )


def _state(revision: RevisionProcess) -> RevisionState:
    workload = revision.workload
    return RevisionState(
        model=workload.model,
        version=workload.version,
        revision=workload.revision,
        staging=workload.staging,
        digest=workload.digest,
        pid=revision.child.pid,
        http=revision.http,
        grpc=revision.grpc,
        ready=revision.ready,
        restarts=max(revision.child.restarts, 0),
        log=str(revision.child.log),
    )
