"""Looks at an installation in a cluster, as far as its users reach it, and says what is wrong and the fix."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from registry.adapters.cluster.api import HTTP_ROUTES, INFERENCE_SERVICES, PROMOTIONS, Resource
from registry.domain.errors import NotVerified, RegistryError
from registry.domain.fold import fold
from registry.domain.journal import check_anchor
from registry.domain.version import Model, Version
from registry.store.doctor import Finding

if TYPE_CHECKING:
    from registry.adapters.cluster.place import ClusterPlace

WANTED: tuple[tuple[str, Resource, str], ...] = (
    ("Gateway API", HTTP_ROUTES, "install Gateway API and a gateway"),
    ("KServe", INFERENCE_SERVICES, "install KServe 0.20 or later in Standard mode"),
    ("Promotions", PROMOTIONS, "apply an overlay: `kubectl apply -k kustomize/overlays/dev`"),
)
"""Kinds without which nothing is promoted, and what brings them."""


def examine_cluster(place: "ClusterPlace") -> Iterator[Finding]:
    """Every finding, in a fixed order. What cannot be asked for want of what was looked at before is left out."""
    server = _found("API server", lambda: f"knows you as {place.caller()}")
    yield server
    if not server.ok:
        return
    for subject, resource, fix in WANTED:
        there = resource.plural in place.api.discovered(resource.group)
        yield Finding(subject, there, f"{resource.group} is served" if there else f"no {resource.plural}; {fix}")
    controller = _found("controller", lambda: _ready(place))
    yield controller
    if not controller.ok:
        return
    yield _found("policy", lambda: _policy(place))
    for model in place.models():
        yield _found(f"journal of {model}", partial(_journal, place, model))
        for version in place.stored(model):
            yield _found(f"{model} {version}", partial(_version, place, model, version))


def _ready(place: "ClusterPlace") -> str:
    place.require_controller()
    return f"of {place.title} is ready"


def _policy(place: "ClusterPlace") -> str:
    policy = place.policy()
    return f"{len(policy.rollout.steps)} steps, sha256 {policy.sha256[:12]}"


def _journal(place: "ClusterPlace", model: Model) -> str:
    """Chain, meaning and anchor."""
    anchor, entries = place.acted_upon(model), place.journal_of(model).read()
    check_anchor(entries, anchor)
    state = fold(model, entries)
    return f"{len(entries)} entries, acted upon to {anchor.sequence}, production {state.production or 'none'}"


def _version(place: "ClusterPlace", model: Model, version: Version) -> str:
    found = place.candidate(model, version)
    if found.verification_error is not None:
        raise NotVerified(found.verification_error)
    return f"verifies, digest {(found.digest or '')[:12]}"


def _found(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, look())
    except RegistryError as error:
        return Finding(subject, False, str(error))
