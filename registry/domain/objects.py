"""A release as Kubernetes objects: what is applied in a cluster, and what the local substrate turns into processes.

    release(journal) ──► render(release, templates, serving) ──► ServingRuntime, InferenceServices, HTTPRoutes

The templates (`manifests/predictor/`) say everything that never changes; here names, versions, digests, replicas and
weights are filled in. The same release gives the same objects.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.documents import canonical_bytes, sha256
from registry.domain.errors import InvalidDocument
from registry.domain.journal import NO_ANCHOR, Anchor
from registry.domain.policy import FP32, Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import Model, Revision, Version

Object = dict[str, Any]

ANCHOR = "ml-geometry/anchor"
DIGEST_VARIABLE = "MODEL_DIGEST"
REVISION_HEADER = "x-revision"
STAGING = "-staging"
STORE_CLAIM = "pvc://model-store/"


@dataclass(frozen=True)
class Templates:
    """The four environment-free objects of `manifests/predictor/`, and the namespace that they are filled in for:
    None on one machine."""

    serving_runtime: Mapping[str, Any]
    inference_service: Mapping[str, Any]
    http_route: Mapping[str, Any]
    pinned_route: Mapping[str, Any]
    namespace: str | None = None


def pinned_host(inference_service: str, namespace: str | None) -> str:
    """The host of tests of one revision: installations behind one gateway have different ones."""
    return ".".join((inference_service, *filter(None, (namespace,)), "pinned.internal"))


def service_name(inference_service: str, revision: Revision) -> str:
    """The Service KServe makes for a named predictor."""
    return f"{inference_service}-{revision}-predictor"


def storage_uri(model: Model, version: Version) -> str:
    """Where a pod finds the version: a directory of the store's volume."""
    return f"{STORE_CLAIM}models/{model}/{version}"


def predictors(service: Mapping[str, Any]) -> tuple[Object, ...]:
    """The stable predictor of an InferenceService, and those of its canaries."""
    spec = service["spec"]
    return (spec["predictor"], *(canary["predictor"] for canary in spec.get("canary") or ()))


def anchor_text(anchor: Anchor) -> str:
    """`17:<sha256>`, the value of the annotation."""
    return f"{anchor.sequence}:{anchor.sha256}"


def parse_anchor(text: str) -> Anchor:
    """Inverse of `anchor_text`; raises InvalidDocument."""
    sequence, _, digest = text.partition(":")
    if not sequence.isdecimal() or len(digest) != len(NO_ANCHOR.sha256):
        raise InvalidDocument(f"annotation {ANCHOR}: found {text!r}, wanted SEQUENCE:SHA256")
    return Anchor(int(sequence), digest)


def render(release: Release, templates: Templates, serving: Serving) -> tuple[Object, ...]:
    """ServingRuntime, InferenceServices and HTTPRoutes of one model, in the order of their first creation.

    Nothing when nothing shall run; no live HTTPRoute while all weights are 0. Raises InvalidDocument for a release
    that cannot be: weights that sum to neither 100 nor 0, canaries without a stable revision, a version twice.
    """
    _check(release)
    if not release.live and not release.staging:
        return ()
    runtime = _serving_runtime(templates.serving_runtime, serving)
    name = runtime["metadata"]["name"]
    objects = [runtime]
    if release.stable:
        objects.append(_inference_service(templates, release, serving, runtime=name))
    if release.staging:
        objects.append(_staging_service(templates, release.model, release.staging, serving, runtime=name))
    return (*objects, *_routes(templates, release, serving))


def _check(release: Release) -> None:
    where = f"release of {release.model}"
    if release.canaries and not release.stable:
        raise InvalidDocument(
            f"{where}: {len(release.canaries)} canaries and no stable revision, wanted one beside them"
        )
    weights = [revision.weight for revision in release.live]
    if sum(weights) not in (0, 100) or any(weight < 0 for weight in weights):
        raise InvalidDocument(f"{where}: weights are {weights}, wanted percents that sum to 100, or all 0")
    both = [revision.version for revision in release.live if revision.mirror and revision.weight]
    if both:
        raise InvalidDocument(f"{where}: {', '.join(both)} has weight and mirror, wanted one of them")
    versions = [revision.version for revision in release.live]
    if len(set(versions)) < len(versions):
        raise InvalidDocument(f"{where}: versions are {', '.join(versions)}, wanted each of them once")


def _filled(template: Mapping[str, Any], name: str) -> Object:
    """A copy of the template under this name, without aliases inside."""
    made: Object = json.loads(json.dumps(template))
    made["metadata"]["name"] = name
    return made


def _labelled(template: Mapping[str, Any], name: str, instance: str) -> Object:
    made = _filled(template, name)
    made["metadata"]["labels"]["app.kubernetes.io/instance"] = instance
    return made


def _serving_runtime(template: Mapping[str, Any], serving: Serving) -> Object:
    made = _filled(template, "")
    container = made["spec"]["containers"][0]
    if serving.image:
        container["image"] = serving.image
    if serving.resources:
        container["resources"] = copy.deepcopy(dict(serving.resources))
    made["metadata"]["name"] = f"geometry-{sha256(canonical_bytes(made))[:8]}"
    return made


def _model(template: Mapping[str, Any], model: Model, revision: RevisionRelease, *, runtime: str) -> Object:
    """`predictor.model` of one revision; the template's `name`, where it has one, stays empty.

    KServe appends `args` to the runtime's.
    """
    others = [variable for variable in template["env"] if variable["name"] != DIGEST_VARIABLE]
    chosen = {"args": ["--variant", revision.variant]} if revision.variant != FP32 else {}
    return {
        **template,
        **chosen,
        "runtime": runtime,
        "storageUri": storage_uri(model, revision.version),
        "env": [*others, {"name": DIGEST_VARIABLE, "value": revision.digest}],
    }


def _inference_service(templates: Templates, release: Release, serving: Serving, *, runtime: str) -> Object:
    assert release.stable is not None  # noqa: S101 - `render` asks only then
    made = _labelled(templates.inference_service, release.model, release.model)
    pattern = made["spec"].pop("canary")[0]
    _set_stable(made, release.model, release.stable, serving, runtime=runtime)
    if release.canaries:
        made["spec"]["canary"] = [
            {
                **pattern,
                "trafficPercent": canary.weight,
                "predictor": {
                    **pattern["predictor"],
                    "name": canary.name,
                    "minReplicas": canary.replicas,
                    "model": _model(pattern["predictor"]["model"], release.model, canary, runtime=runtime),
                },
            }
            for canary in release.canaries
        ]
    return made


def _set_stable(made: Object, model: Model, stable: RevisionRelease, serving: Serving, *, runtime: str) -> None:
    predictor = made["spec"]["predictor"]
    predictor["name"] = stable.name
    predictor["minReplicas"] = stable.replicas
    predictor["maxReplicas"] = max(serving.max_replicas, stable.replicas)
    predictor["model"] = _model(predictor["model"], model, stable, runtime=runtime)


def _staging_service(
    templates: Templates, model: Model, staging: RevisionRelease, serving: Serving, *, runtime: str
) -> Object:
    made = _labelled(templates.inference_service, f"{model}{STAGING}", f"{model}{STAGING}")
    del made["spec"]["canary"]
    _set_stable(made, model, staging, serving, runtime=runtime)
    return made


def _routes(templates: Templates, release: Release, serving: Serving) -> list[Object]:
    routes = []
    if release.weights:
        routes.append(_live_route(templates.http_route, release, serving))
    if release.live:
        routes.append(_pinned_route(templates, release.model, release.live, serving))
    if release.staging and release.staging.version not in {revision.version for revision in release.live}:
        name = f"{release.model}{STAGING}"
        routes.append(_pinned_route(templates, name, (release.staging,), serving))
    return routes


def _live_route(template: Mapping[str, Any], release: Release, serving: Serving) -> Object:
    made = _labelled(template, release.model, release.model)
    made["metadata"]["annotations"][ANCHOR] = anchor_text(release.anchor)
    _set_gateway(made, serving)
    if serving.hosts:
        made["spec"]["hostnames"] = list(serving.hosts)
    for rule in made["spec"]["rules"]:
        rule["backendRefs"] = [
            _backend(rule["backendRefs"][0], release.model, revision, weight=revision.weight)
            for revision in release.live
        ]
        mirrors = [_mirror(rule, release.model, revision) for revision in release.canaries if revision.mirror]
        rule["filters"] = [*rule["filters"], *mirrors]
    return made


def _mirror(rule: Mapping[str, Any], model: Model, revision: RevisionRelease) -> Object:
    """Copies of the rule's requests for one revision, whose answers nobody gets."""
    backend = {"name": service_name(model, revision.name), "port": rule["backendRefs"][0]["port"]}
    share = {} if revision.mirror == 100 else {"percent": revision.mirror}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": backend, **share}}


def _pinned_route(
    templates: Templates, inference_service: str, revisions: Sequence[RevisionRelease], serving: Serving
) -> Object:
    made = _labelled(templates.pinned_route, f"{inference_service}-pinned", inference_service)
    _set_gateway(made, serving)
    made["spec"]["hostnames"] = [pinned_host(inference_service, templates.namespace)]
    made["spec"]["rules"] = [
        {
            **rule,
            "matches": [_pinned_match(match, revision) for match in rule["matches"]],
            "backendRefs": [_backend(rule["backendRefs"][0], inference_service, revision, weight=1)],
        }
        for revision in revisions
        for rule in made["spec"]["rules"]
    ]
    return made


def _pinned_match(match: Mapping[str, Any], revision: RevisionRelease) -> Object:
    headers = [header for header in match["headers"] if header["name"] != REVISION_HEADER]
    return {**match, "headers": [*headers, {"name": REVISION_HEADER, "value": revision.name}]}


def _backend(pattern: Mapping[str, Any], inference_service: str, revision: RevisionRelease, *, weight: int) -> Object:
    """The rule's backendRef for one revision, which names itself in its answers."""
    answered = {
        "type": "ResponseHeaderModifier",
        "responseHeaderModifier": {"set": [{"name": REVISION_HEADER, "value": revision.name}]},
    }
    name = service_name(inference_service, revision.name)
    return {**pattern, "name": name, "weight": weight, "filters": [answered]}


def _set_gateway(made: Object, serving: Serving) -> None:
    if serving.gateway:
        made["spec"]["parentRefs"] = [copy.deepcopy(dict(serving.gateway))]
