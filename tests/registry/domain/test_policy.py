"""Keys, defaults and limits of a policy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.documents import sha256
from registry.domain.errors import InvalidDocument
from registry.domain.plan import parse_plan
from registry.domain.policy import Margin, Policy, Step, WriteMode, parse_policy
from registry.domain.requests import plan_of

FULL: dict[str, Any] = {
    "schema": 1,
    "writeMode": "gitops",
    "serving": {
        "variant": "int8",
        "image": "registry.example/predictor@sha256:0",
        "minReplicas": 3,
        "maxReplicas": 4,
        "resources": {"limits": {"cpu": "1"}},
        "hosts": ["shapes.example"],
        "gateway": {"name": "public"},
    },
    "checklist": [
        {"check": "signature"},
        {"check": "accuracy", "min": -0.02},
        {"check": "latency", "max": 0.2, "requests": 50, "required": False},
    ],
    "rollout": {
        "steps": [{"header": "only", "soak": 9}, {"mirror": 100}, {"weight": 10, "soak": 3}, {"weight": 50}],
        "margins": [{"upTo": 20, "ratio": 5}, {"upTo": 50, "ratio": 2}],
        "alpha": 0.01,
        "beta": 0.1,
        "floors": {"errors": 0.02, "latency": 0.03, "refused": 0.04, "low_confidence": 0.05, "labels": 0.06},
        "block": ["labels"],
        "agreement": 0.9,
        "warmup": 3,
        "deadline": 600,
        "rollbackWindow": 60,
    },
    "slo": {"availability": 0.99, "latency": {"seconds": 0.25, "objective": 0.95}},
    "evidence": {"envoy": "envoy-headless"},
    "drift": {"minimum": 500, "days": 1},
    "approvals": {"required": 2, "expire": 60},
    "backup": {"to": "/backup", "every": 3600},
}


def test_nothing_given_is_the_default() -> None:
    assert parse_policy({}, "") == Policy()
    assert parse_policy(dict.fromkeys(FULL), "") == Policy()


def test_every_key_is_kept() -> None:
    policy = parse_policy(FULL, "text")
    assert policy.write_mode is WriteMode.GITOPS
    assert (policy.serving.min_replicas, policy.serving.hosts, policy.envoy) == (
        3,
        ("shapes.example",),
        "envoy-headless",
    )
    assert [rule.minimum for rule in policy.checklist] == [None, -0.02, None]
    latency = policy.checklist[-1]
    assert (latency.maximum, latency.requests, latency.required) == (0.2, 50, False)
    assert policy.rollout.steps == (Step(0, 9), Step(0, 60, 100), Step(10, 3), Step(50, 60))
    assert policy.rollout.margins == (Margin(20, 5), Margin(50, 2))
    assert (policy.rollout.floors.latency, policy.rollout.rollback_window) == (0.03, 60)
    assert (policy.slo.latency_seconds, policy.slo.latency_objective) == (0.25, 0.95)
    assert (policy.drift.days, policy.approvals.required, policy.backup.every) == (1, 2, 3600)


def test_the_digest_is_that_of_the_text() -> None:
    assert parse_policy(FULL, "text").sha256 == sha256(b"text")


@pytest.mark.parametrize(("weight", "ratio"), [(1, 10), (5, 10), (10, 10), (11, 4), (25, 4), (30, 4), (31, 2), (50, 2)])
def test_a_step_has_the_margin_of_its_weight(weight: int, ratio: float) -> None:
    assert Policy().rollout.margin(weight) == ratio


@pytest.mark.parametrize(
    "path",
    [(key,) for key in FULL] + [(key, inner) for key in FULL if isinstance(FULL[key], dict) for inner in FULL[key]],
)
def test_a_misspelt_key_is_refused_by_name(path: tuple[str, ...]) -> None:
    document: dict[str, Any] = {path[-1] + "x": 1}
    for key in reversed(path[:-1]):
        document = {key: document}
    with pytest.raises(InvalidDocument, match=f"'{path[-1]}x' is unknown, wanted one of .*{path[-1]}"):
        parse_policy(document, "")


PAIRS = [{"mirror": 100}, {"weight": 50}]


def test_pairs_are_judged_as_the_policy_says() -> None:
    rollout = {"steps": PAIRS, "block": ["labels"], "agreement": 0.95, "floors": {"labels": 0.1}}
    plan = plan_of(parse_policy({"rollout": rollout}, ""))
    assert (plan.block, plan.floors["labels"], plan.floors["agreement"]) == (("labels",), 0.1, 0.05)
    assert parse_plan(plan.document()) == plan


def test_without_a_step_that_mirrors_nothing_is_judged_by_pairs() -> None:
    plan = plan_of(Policy())
    assert (plan.block, plan.signals, plan.mirrors) == ((), 3, False)
    assert not {"labels", "agreement"} & plan.floors.keys()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schema": 2}, "schema is 2, wanted 1"),
        ({"writeMode": "push"}, "writeMode is 'push', wanted one of live, gitops"),
        ({"serving": {"minReplicas": 3, "maxReplicas": 2}}, "minReplicas is 3, wanted at most maxReplicas, 2"),
        ({"serving": {"minReplicas": 0}}, "minReplicas is 0, wanted an integer of at least 1"),
        ({"checklist": [{"min": 0}]}, r"checklist\[0\]: check is missing"),
        ({"checklist": [{"check": "taste"}]}, "check is 'taste', wanted one of digest, signature, lineage"),
        ({"checklist": [{"check": "digest", "min": 0}]}, "digest has min, wanted no limit"),
        ({"checklist": [{"check": "accuracy", "max": 0}]}, "accuracy has max, wanted min"),
        ({"checklist": [{"check": "accuracy", "min": -2}]}, "min is -2, wanted a fraction"),
        ({"rollout": {"steps": []}}, r"steps have weights \[\], wanted one or more"),
        ({"rollout": {"steps": [{"weight": 10}, {"weight": 10}]}}, r"weights \[10, 10\], wanted .* above the last"),
        ({"rollout": {"steps": [{"weight": 51}]}}, "up to 50"),
        ({"rollout": {"steps": [{"weight": 0}]}}, r"steps\[0\]: weight is 0, wanted an integer of at least 1"),
        ({"rollout": {"steps": [{"soak": 1}]}}, r"steps\[0\]: weight is missing"),
        ({"checklist": [{"check": "calibration", "min": 0}]}, "calibration has min, wanted max"),
        ({"checklist": [{"check": "calibration", "max": 1.5}]}, "max is 1.5, wanted a fraction from 0 to 1"),
        ({"checklist": [{"check": "recall", "required": 0}]}, "required is 0, wanted true or false"),
        ({"checklist": [{"check": "signature", "required": False}]}, "signature has required: false, wanted no such"),
        ({"checklist": [{"check": "parity", "requests": 3}]}, "parity has requests, wanted requests with check: lat"),
        ({"serving": {"variant": "fp16"}}, "variant is 'fp16', wanted one of fp32, int8"),
        ({"rollout": {"steps": [{"mirror": 100}]}}, r"steps have weights \[\], wanted one or more"),
        ({"rollout": {"steps": [{"mirror": 101}]}}, "mirror is 101, wanted a percentage"),
        ({"rollout": {"steps": [{"header": "none"}]}}, r"steps\[0\]: header is 'none', wanted one of only"),
        ({"rollout": {"steps": [{"weight": 5, "mirror": 5}]}}, "found weight and mirror, wanted one of them"),
        ({"rollout": {"steps": [{"weight": 5}, {"header": "only"}]}}, "wanted header and mirror first"),
        ({"rollout": {"margins": [{"upTo": 30, "ratio": 2}]}}, r"reach up to \[30\], wanted .* at least 50"),
        ({"rollout": {"margins": [{"upTo": 50, "ratio": 1}]}}, "ratio is 1, wanted a number above 1"),
        ({"rollout": {"alpha": 0}}, "alpha is 0, wanted a number above 0 and below 1"),
        ({"rollout": {"beta": float("nan")}}, "beta is nan"),
        ({"rollout": {"floors": {"errors": 0.25}}}, "errors is 0.25, wanted a number above 0 and below 0.25"),
        ({"rollout": {"block": ["labels"]}}, "block without a step that mirrors, wanted {mirror: 100} as the first"),
        ({"rollout": {"agreement": 0.9}}, "agreement without a step that mirrors"),
        ({"rollout": {"steps": PAIRS, "block": ["errors"]}}, "block names 'errors', wanted labels"),
        ({"rollout": {"steps": PAIRS, "agreement": 0.75}}, "agreement is 0.75, wanted a number above 0.75 and below 1"),
        ({"rollout": {"steps": PAIRS, "agreement": 1}}, "agreement is 1, wanted a number above 0.75 and below 1"),
        ({"rollout": {"floors": {"labels": 0.3}}}, "labels is 0.3, wanted a number above 0 and below 0.25"),
        ({"rollout": {"warmup": -1}}, "warmup is -1"),
        ({"rollout": {"deadline": float("inf")}}, "deadline is inf"),
        ({"slo": {"latency": {"objective": 1}}}, "slo: latency: objective is 1"),
        ({"drift": []}, "drift: found list, wanted an object"),
    ],
)
def test_a_value_out_of_its_limits_is_refused_with_found_and_wanted(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        parse_policy(document, "")


SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
KEYS = st.sampled_from(["steps", "alpha", "warmup", "minReplicas", "check", "weight", "latency", "days"])
JUNK = SCALAR | st.lists(SCALAR, max_size=2) | st.dictionaries(KEYS, SCALAR | st.lists(SCALAR, max_size=2), max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(FULL)), JUNK, max_size=4))
def test_junk_is_refused_and_never_crashes(document: dict[str, Any]) -> None:
    try:
        policy = parse_policy(document, "")
    except InvalidDocument:
        return
    assert 0 < policy.rollout.alpha < 1
    assert policy.rollout.steps[-1].weight <= 50
