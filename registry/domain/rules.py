"""The checklist as data: which questions there are, what limits they have, and what a policy's rules change of them.

Every question is asked without any rule; a rule sets a limit, or makes a question advisory: its answer is recorded then
and refuses nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from registry.domain.options import LONGEST, Options

KEYS = ("check", "min", "max", "required", "requests")
"""What a rule may say."""

REQUESTS = 100
"""Requests of the latency probe when no rule says otherwise: with fewer, the 99th percentile is the slowest of all."""


class Check(StrEnum):
    """Questions of the checklist, in the order they are asked."""

    DIGEST = "digest"
    SIGNATURE = "signature"
    LINEAGE = "lineage"
    DATA = "data"
    METRICS = "metrics"
    ACCURACY = "accuracy"
    RECALL = "recall"
    CALIBRATION = "calibration"
    PARITY = "parity"
    INT8 = "int8"
    LATENCY = "latency"


IDENTITY = frozenset({Check.DIGEST, Check.SIGNATURE})
"""Never advisory and never forced: what does not verify would not start anyway."""


@dataclass(frozen=True)
class Limit:
    """The one limit a question has. end: `min` or `max`. default: None where there is none without a rule."""

    end: str
    default: float | None
    lowest: float
    highest: float
    unit: str


LIMITS: Mapping[Check, Limit] = {
    Check.METRICS: Limit("max", None, 0, LONGEST, "seconds since the version was made, such as 86400"),
    Check.ACCURACY: Limit("min", -0.01, -1, 1, "a fraction from -1 to 1, such as -0.01 for one point"),
    Check.RECALL: Limit("min", -0.05, -1, 1, "a fraction from -1 to 1, such as -0.05 for five points"),
    Check.CALIBRATION: Limit("max", 0.05, 0, 1, "a fraction from 0 to 1, such as 0.05"),
    Check.PARITY: Limit("max", 1e-4, 0, 1, "a difference of probabilities from 0 to 1, such as 0.0001"),
    Check.LATENCY: Limit("max", None, 0, 3600, "seconds, such as 0.1; without it the version's SLO holds"),
}
"""A question that is not here holds or not."""


@dataclass(frozen=True)
class CheckRule:
    """What a policy says of one question. required: None says nothing. requests: of the latency probe."""

    check: Check
    minimum: float | None = None
    maximum: float | None = None
    required: bool | None = None
    requests: int | None = None


@dataclass(frozen=True)
class Rules:
    """All rules of a policy; where two speak of the same thing, the later one holds."""

    rules: Sequence[CheckRule] = ()

    def limit(self, check: Check) -> float | None:
        """The limit of a question that has one; None: no limit."""
        told = [rule.minimum if LIMITS[check].end == "min" else rule.maximum for rule in self._of(check)]
        return next((limit for limit in told if limit is not None), LIMITS[check].default)

    def bound(self, check: Check) -> float:
        """The limit of a question that has one without any rule."""
        limit = self.limit(check)
        if limit is None:
            raise ValueError(f"{check} has no limit unless a rule sets one")
        return limit

    def required(self, check: Check) -> bool:
        """Whether an answer other than pass refuses."""
        return next((rule.required for rule in self._of(check) if rule.required is not None), True)

    @property
    def requests(self) -> int:
        """Requests of the latency probe."""
        return next((rule.requests for rule in self._of(Check.LATENCY) if rule.requests is not None), REQUESTS)

    def _of(self, check: Check) -> list[CheckRule]:
        return [rule for rule in reversed(self.rules) if rule.check is check]


def parse_rule(options: Options) -> CheckRule:
    """One item of `checklist`; raises InvalidDocument."""
    check = Check(options.choice("check", None, tuple(Check)))
    rule = CheckRule(
        check,
        minimum=options.limit("min"),
        maximum=options.limit("max"),
        required=options.boolean("required") if options.has("required") else None,
        requests=options.integer("requests", None, minimum=1) if options.has("requests") else None,
    )
    limit = LIMITS.get(check)
    for end, value in (("min", rule.minimum), ("max", rule.maximum)):
        if value is None:
            continue
        if limit is None:
            raise options.wrong(f"{check} has {end}", "no limit: it holds or not", end)
        if limit.end != end:
            raise options.wrong(f"{check} has {end}", f"{limit.end} or no limit", end)
        if math.isnan(value) or not limit.lowest <= value <= limit.highest:
            raise options.wrong(f"{end} is {value:g}", limit.unit, end)
    if rule.required is False and check in IDENTITY:
        raise options.wrong(f"{check} has required: false", "no such rule: it holds or nothing serves", "required")
    if rule.requests is not None and check is not Check.LATENCY:
        raise options.wrong(f"{check} has requests", "requests with check: latency alone", "requests")
    return rule
