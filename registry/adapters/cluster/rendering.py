"""Objects of a model for the cluster's present: the registry's rendering with pods, entries and runtimes as they must
be now. Pure."""

from dataclasses import replace

from registry.adapters.cluster.order import Present, revisions, routed, shares, without_weight
from registry.adapters.cluster.routing import with_shares
from registry.domain.objects import STAGING, Object, Templates, render
from registry.domain.policy import Serving
from registry.domain.release import Release


def runtime(release: Release, templates: Templates, serving: Serving) -> Object | None:
    """The ServingRuntime of revisions that start now; None when nothing shall run."""
    return _one(render(release, templates, serving), "ServingRuntime", None)


def service(release: Release, present: Present, templates: Templates, serving: Serving) -> Object | None:
    """The InferenceService as it shall be now: a revision that is there keeps the runtime it began with."""
    entries = revisions(release, present)
    if not entries:
        return None
    # Between two writes the weights of the entries need not be those of the route, nor a whole.
    stable = replace(entries[0], weight=100, mirror=0)
    shown = replace(release, stable=stable, canaries=tuple(replace(found, weight=0) for found in entries[1:]))
    made = _one(render(replace(shown, staging=None), templates, serving), "InferenceService", release.model)
    assert made is not None  # noqa: S101 - a release with a stable revision has one
    for canary, found in zip(made["spec"].get("canary", ()), entries[1:], strict=True):
        canary["trafficPercent"] = found.weight
    runtimes = {entry.name: entry.runtime for entry in present.entries}
    for predictor in (made["spec"]["predictor"], *(found["predictor"] for found in made["spec"].get("canary", ()))):
        predictor["model"]["runtime"] = runtimes.get(predictor["name"]) or predictor["model"]["runtime"]
    return made


def staging_service(release: Release, templates: Templates, serving: Serving) -> Object | None:
    return _one(render(release, templates, serving), "InferenceService", f"{release.model}{STAGING}")


def live_route(release: Release, present: Present, templates: Templates, serving: Serving) -> Object | None:
    """The route of live requests with the anchor; None while it must stay as it is, or there is nothing to route."""
    found = routed(release, present)
    if found is None or not found.weights:
        return None
    percents, traced = shares(found, present)
    there = {revision.version for revision in found.live}
    left = tuple(
        without_weight(entry, entry.replicas)
        for entry in present.entries
        if entry.version not in there and (entry.version in traced or percents.get(entry.version))
    )
    made = _one(render(replace(found, canaries=(*found.canaries, *left)), templates, serving), "HTTPRoute", found.model)
    return None if made is None else with_shares(made, percents, traced)


def pinned_routes(release: Release, present: Present, templates: Templates, serving: Serving) -> tuple[Object, ...]:
    """The routes of tests, to revisions that have a Service."""
    there = tuple(found for found in release.canaries if present.pods(found.version) is not None)
    known = replace(release, canaries=there)
    return tuple(
        made
        for made in render(_at_once(known), templates, serving)
        if made["kind"] == "HTTPRoute" and made["metadata"]["name"] != release.model
    )


def _at_once(release: Release) -> Release:
    """With weights that a release may have, whoever was left out of it."""
    canaries = tuple(replace(found, weight=0) for found in release.canaries)
    return replace(release, stable=release.stable and replace(release.stable, weight=100), canaries=canaries)


def _one(objects: tuple[Object, ...], kind: str, name: str | None) -> Object | None:
    found = (made for made in objects if made["kind"] == kind and name in (None, made["metadata"]["name"]))
    return next(found, None)
