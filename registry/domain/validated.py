"""The release that git carries: what was validated, and whoever stands beside it at no weight. Pure.

    state, objects of release.yaml ──► carried(…) ──► release.yaml, whole

Weights of steps are written live by the controller and never stand here: a cluster that is made anew from git in the
middle of a rollout serves production alone.
"""

from collections.abc import Sequence
from dataclasses import replace

from registry.domain.journal import Anchor
from registry.domain.objects import Object, Templates, anchor_text, predictors, render
from registry.domain.policy import Serving
from registry.domain.release import Release
from registry.domain.state import State, release


def validated(state: State) -> Release:
    """Production with all requests; a candidate or the version to return to beside it, at none and with all the pods
    that it may come to need. Before there is any production: the first version without a route.

    A staging revision is there for minutes; the controller writes it live.
    """
    found = replace(release(state), staging=None)
    if found.stable is None or state.production is None:
        return found
    canaries = tuple(replace(canary, weight=0, mirror=0, replicas=state.pods) for canary in found.canaries)
    # KServe takes ready pods of the others off it.
    pods = state.pods * (1 + len(canaries))
    return replace(found, stable=replace(found.stable, weight=100, replicas=pods), canaries=canaries)


def carried(found: Release, templates: Templates, serving: Serving, before: Sequence[Object]) -> tuple[Object, ...]:
    """All objects of a validated release. before: those that git carries now; a revision that is among them keeps its
    runtime, so that another image arrives with the next version only."""
    made = render(found, templates, serving)
    runtimes = {one["metadata"]["name"]: one for one in (*before, *made) if one["kind"] == "ServingRuntime"}
    kept = {
        (one["metadata"]["name"], predictor["name"]): predictor["model"]["runtime"]
        for one in before
        if one["kind"] == "InferenceService"
        for predictor in predictors(one)
        if predictor["model"]["runtime"] in runtimes
    }
    used = set()
    for one in made:
        for predictor in predictors(one) if one["kind"] == "InferenceService" else ():
            model = predictor["model"]
            model["runtime"] = kept.get((one["metadata"]["name"], predictor["name"]), model["runtime"])
            used.add(model["runtime"])
    others = [one for one in made if one["kind"] != "ServingRuntime"]
    return (*(runtimes[name] for name in sorted(used)), *others)


def is_carried(kind: str, name: str, found: Release) -> bool:
    """Whether git brings an object of a model where policy says so; a staging revision brings its own runtime."""
    if kind == "ServingRuntime":
        return found.staging is None
    return kind in ("InferenceService", "HTTPRoute") and name in (found.model, f"{found.model}-pinned")


def heading(anchor: Anchor) -> str:
    """What stands above the objects."""
    return (
        "# Written whole by `geometry manifests release`: what is changed here by hand is overwritten.\n"
        f"# journal: {anchor_text(anchor)}\n"
        "# Weights of a rollout's steps are written to the HTTPRoute live: let what applies this ignore differences\n"
        "# of `spec.rules[].backendRefs[].weight` and of the annotation ml-geometry/anchor.\n"
    )
