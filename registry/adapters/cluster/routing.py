"""What a live route's object says: who has which share of the requests, and whether a gateway has taken that. Pure.

Weights are percents. A revision that is about to get requests, or has just lost them, has a *trace* of them: one in a
million. A backend of weight 0 has no cluster at Envoy Gateway's proxies, and they learn of a cluster and of the route
to it one after the other: a first weight of 10 % would lose that share of the requests for as long as this takes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from registry.adapters.cluster.sight import version_of
from registry.domain.objects import ANCHOR, Object
from registry.domain.version import Version, revision_name

ALL = 100
WHOLE = 1_000_000
"""What the weights of a route with traces sum to: the most that Gateway API lets one be."""


def told_weights(route: Object | None) -> dict[Version, int] | None:
    """Percent per version as a live route's first rule says; None without a route."""
    return None if route is None else _weights(route, _first_rule(route))


def traces(route: Object | None) -> frozenset[Version]:
    """Versions that have a trace of the requests."""
    if route is None:
        return frozenset()
    rule = _first_rule(route)
    percents = _weights(route, rule)
    return frozenset(version for version, share in _shares(route, rule).items() if share and not percents[version])


def with_shares(route: Object, percents: Mapping[Version, int], traced: frozenset[Version]) -> Object:
    """The route with these weights in every rule, whatever it was rendered with."""
    shares: dict[Version, int] = dict(percents)
    if traced:
        shares = {version: percent * WHOLE // ALL for version, percent in percents.items()}
        most = max(shares, key=lambda version: shares[version])
        shares |= {**dict.fromkeys(traced, 1), most: shares[most] - len(traced)}
    rules = [{**rule, "backendRefs": _given(route, rule, shares)} for rule in route["spec"]["rules"]]
    return {**route, "spec": {**route["spec"], "rules": rules}}


def _given(route: Object, rule: Mapping[str, Any], shares: Mapping[Version, int]) -> list[Object]:
    return [{**backend, "weight": shares.get(_version(route, backend), 0)} for backend in rule["backendRefs"]]


def _first_rule(route: Object) -> Mapping[str, Any]:
    rules: Sequence[Mapping[str, Any]] = route["spec"].get("rules") or ({},)
    return rules[0]


def _weights(route: Object, rule: Mapping[str, Any]) -> dict[Version, int]:
    shares = _shares(route, rule)
    if sum(shares.values()) != WHOLE:
        return shares
    return {version: round(share * ALL / WHOLE) for version, share in shares.items()}


def _shares(route: Object, rule: Mapping[str, Any]) -> dict[Version, int]:
    """As they are written."""
    return {_version(route, backend): int(backend.get("weight", 1)) for backend in rule.get("backendRefs") or ()}


def _version(route: Object, backend: Mapping[str, Any]) -> Version:
    name: str = backend["name"]
    return version_of(name.removeprefix(f"{route['metadata']['name']}-").removesuffix("-predictor"))


def clusters(namespace: str, route: Object, version: Version) -> frozenset[str]:
    """Envoy Gateway's names for the backends that send live requests to a version now: by the rule's and the backend's
    place in the route."""
    suffix = f"-{revision_name(version)}-predictor"
    return frozenset(
        f"httproute/{namespace}/{route['metadata']['name']}/rule/{place}/backend/{index}"
        for place, rule in enumerate(route["spec"].get("rules") or ())
        for index, backend in enumerate(rule.get("backendRefs") or ())
        if backend["name"].endswith(suffix) and backend.get("weight", 1)
    )


def accepted(route: Object) -> bool:
    """Whether a gateway has taken the route as it is now, and all its rules say the same weights."""
    if any(_weights(route, rule) != told_weights(route) for rule in route["spec"].get("rules") or ()):
        return False
    generation = route["metadata"].get("generation")
    return any(
        condition["type"] == "Accepted"
        and condition["status"] == "True"
        and condition.get("observedGeneration") == generation
        for parent in (route.get("status") or {}).get("parents") or ()
        for condition in parent.get("conditions") or ()
    )


def anchor_of(route: Object | None) -> str | None:
    """The annotation with the journal entry last acted upon."""
    if route is None:
        return None
    found = (route["metadata"].get("annotations") or {}).get(ANCHOR)
    return str(found) if found is not None else None
