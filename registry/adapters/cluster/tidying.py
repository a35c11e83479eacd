"""What a model leaves behind and nothing uses any more. Pure."""

import re
from collections.abc import Iterator, Mapping

from registry.adapters.cluster.sight import Sight
from registry.adapters.cluster.writing import is_ours
from registry.domain.objects import STAGING, Object, predictors
from registry.domain.version import Model

_RUNTIME = re.compile(r"geometry-[0-9a-f]{8}")


def unused(model: Model, sight: Sight, made: Mapping[tuple[str, str], Object]) -> Iterator[Object]:
    """Objects to delete. made: what the model shall have now, by kind and name.

    KServe 0.20 and 0.21 delete Deployment and Service of a revision that is dropped, and leave its autoscaler.
    """
    for name in (f"{model}-pinned", f"{model}{STAGING}-pinned"):
        route = sight.routes.get(name)
        if route is not None and is_ours(route) and ("HTTPRoute", name) not in made:
            yield route
    yield from _autoscalers(model, sight, made)
    used = _runtimes(sight)
    for name, runtime in sight.runtimes.items():
        if _RUNTIME.fullmatch(name) and name not in used and ("ServingRuntime", name) not in made and is_ours(runtime):
            yield runtime


def _autoscalers(model: Model, sight: Sight, made: Mapping[tuple[str, str], Object]) -> Iterator[Object]:
    services = (model, f"{model}{STAGING}")
    there = {(service, entry.name) for service in services for entry in sight.entries(service)}
    there |= {
        (service, predictor["name"])
        for service in services
        if (found := made.get(("InferenceService", service))) is not None
        for predictor in predictors(found)
    }
    pattern = re.compile(rf"({model}|{model}{STAGING})-(v[0-9]+(?:-[0-9]+)*)-predictor")
    for name, autoscaler in sight.autoscalers.items():
        match = pattern.fullmatch(name)
        if match and (match[1], match[2]) not in there:
            yield autoscaler


def _runtimes(sight: Sight) -> frozenset[str]:
    """Names that InferenceServices of the namespace refer to."""
    return frozenset(
        str((predictor.get("model") or {}).get("runtime"))
        for service in sight.services.values()
        for predictor in predictors(service)
    )
