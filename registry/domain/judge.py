"""Sequential tests on counters: valid however often one looks, and whenever one stops.

Three e-processes per signal, all updated window by window from the counts of bad events and of exposure:

* `Harm`: evidence that the canary's rate of bad events is higher than the stable's. Rolls back.
* `Clearance`: evidence that the canary is not unacceptable (rate ratio ≥ margin and rate ≥ floor). Advances.
* `Guard`: evidence that a promoted version's rate is above the floor, without anything to compare it to. Rolls back.

Under its null hypothesis each has expectation ≤ 1 at every stopping time, so by Ville's inequality it ever exceeds 1/α
with probability ≤ α. The event e-process is that of Lindon & Malek, NeurIPS 2022 (arXiv 2011.03567): given that a bad
event happened, it fell on the canary with probability w (the canary's share of exposure) if the rates are equal and
with π(θ) = wθ / (wθ + 1 − w) if the canary's is θ times as high.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
"""Rate ratios θ that `Harm` mixes with equal weight: from a small regression to a total one."""

GUARD_RATIO = 4.0
"""How many times the floor is the alternative of `Guard`."""


@dataclass(frozen=True)
class Window:
    """Counts of one signal in one window: a span without a change of weights or endpoints.

    exposure: answers that could have been bad; bad: those that were. 0 ≤ bad ≤ exposure for both revisions.
    """

    canary_exposure: int
    canary_bad: int
    stable_exposure: int
    stable_bad: int

    def __post_init__(self) -> None:
        for bad, exposure in ((self.canary_bad, self.canary_exposure), (self.stable_bad, self.stable_exposure)):
            if not 0 <= bad <= exposure:
                raise ValueError(f"{bad} bad of {exposure} exposed: wanted 0 ≤ bad ≤ exposure")

    @property
    def canary_share(self) -> float:
        """w: the canary's observed share of the exposure; 0 when there was none."""
        total = self.canary_exposure + self.stable_exposure
        return self.canary_exposure / total if total else 0.0

    def __add__(self, other: "Window") -> "Window":
        return Window(
            self.canary_exposure + other.canary_exposure,
            self.canary_bad + other.canary_bad,
            self.stable_exposure + other.stable_exposure,
            self.stable_bad + other.stable_bad,
        )


EMPTY = Window(0, 0, 0, 0)


def canary_probability(share: float, ratio: float) -> float:
    """π(θ): probability that a bad event falls on the canary, given its share of exposure and the rate ratio θ."""
    return share * ratio / (share * ratio + 1 - share)


def _log_sum(logs: Sequence[float]) -> float:
    """log Σ exp(log), without overflow."""
    top = max(logs)
    return top + math.log(sum(math.exp(value - top) for value in logs))


@dataclass(frozen=True)
class StartMixture:
    """Evidence that harm began at an unknown window s, mixed with weights 1/(s(s+1)); what has not begun counts 1.

    S_T = (S_{T−1} + 1/(T(T+1))) · L_T, one S per alternative, kept as a logarithm; E_T = mean of S_T + 1/(T+1).
    windows: T. logs: log S_T per alternative, empty while T = 0. Windows with likelihood ratio 1 for every alternative
    change nothing and need not be added: the k-th window that says something is a stopping time, so the mixture over k
    is as valid as one over all windows.
    """

    windows: int = 0
    logs: tuple[float, ...] = ()

    def add(self, log_ratios: Sequence[float]) -> "StartMixture":
        """The state after a window with these log likelihood ratios, one per alternative."""
        count = self.windows + 1
        fresh = -math.log(count * (count + 1))
        before = [_log_sum((log, fresh)) for log in self.logs] if self.logs else [fresh] * len(log_ratios)
        return StartMixture(count, tuple(old + new for old, new in zip(before, log_ratios, strict=True)))

    @property
    def log_e(self) -> float:
        """log E_T; 0 before the first window."""
        rest = -math.log(self.windows + 1)
        if not self.logs:
            return rest
        return _log_sum((_log_sum(self.logs) - math.log(len(self.logs)), rest))


def harm(mixture: StartMixture, window: Window) -> StartMixture:
    """`mixture` after `window`: evidence for a rate ratio above 1, per ratio of RATIOS."""
    share, bad = window.canary_share, window.canary_bad + window.stable_bad
    if not bad or not 0 < share < 1:
        return mixture
    ratios = []
    for ratio in RATIOS:
        probability = canary_probability(share, ratio)
        ratios.append(
            window.canary_bad * math.log(probability / share)
            + window.stable_bad * math.log((1 - probability) / (1 - share))
        )
    return mixture.add(ratios)


def guard(mixture: StartMixture, *, exposure: int, bad: int, floor: float) -> StartMixture:
    """`mixture` after a window of the promoted version alone: evidence for a rate of 4 · floor against ≤ floor."""
    if not exposure:
        return mixture
    good_log = math.log((1 - GUARD_RATIO * floor) / (1 - floor))
    return mixture.add([bad * math.log(GUARD_RATIO) + (exposure - bad) * good_log])


@dataclass(frozen=True)
class Clearance:
    """Evidence against "unacceptable" since the step began: log P (rate ratio ≥ margin) and log F (rate ≥ floor).

    A = ½P + ½F is an e-process against "ratio ≥ margin and rate ≥ floor", whichever of the two fails.
    """

    log_p: float = 0.0
    log_f: float = 0.0

    def add(self, window: Window, *, margin: float, floor: float) -> "Clearance":
        """The state after `window`.

        P = Π [π(1)/π(θ)]^x [(1−π(1))/(1−π(θ))]^y for x bad canary and y bad stable answers; F = Π (1−f/4)/(1−f) per
        good and ¼ per bad canary answer.
        """
        log_p, share = self.log_p, window.canary_share
        if 0 < share < 1:
            probability = canary_probability(share, margin)
            log_p += window.canary_bad * math.log(share / probability)
            log_p += window.stable_bad * math.log((1 - share) / (1 - probability))
        good = window.canary_exposure - window.canary_bad
        log_f = self.log_f + good * _good_log(floor) + window.canary_bad * math.log(1 / 4)
        return Clearance(log_p, log_f)

    @property
    def log_a(self) -> float:
        """log A."""
        return _log_sum((self.log_p, self.log_f)) - math.log(2)

    def clean_answers_needed(self, *, bound: float, floor: float) -> int:
        """How many more canary answers, all good and none bad at the stable, until A ≥ `bound`."""
        if self.log_p >= math.log(2 * bound):  # P alone is enough, and may be too large for a float
            return 0
        missing = 2 * bound - math.exp(self.log_p)
        return max(0, math.ceil((math.log(missing) - self.log_f) / _good_log(floor)))


def _good_log(floor: float) -> float:
    return math.log((1 - floor / 4) / (1 - floor))


CONCENTRATION = 100.0
"""How narrowly `split_log_e` spreads its alternatives around the route's share: as after so many requests."""


def split_log_e(window: Window, share: float) -> float:
    """log e-value against "each request fell on the canary with probability `share`", 0 < share < 1.

    The alternatives are mixed by a Beta distribution around the route's share (the two-sided multinomial e-process of
    Lindon & Malek). It depends on the counts alone, so that those of one step are tested as one.
    """
    canary, stable = window.canary_exposure, window.stable_exposure
    first, second = CONCENTRATION * share, CONCENTRATION * (1 - share)
    mixed = log_beta(first + canary, second + stable) - log_beta(first, second)
    return mixed - canary * math.log(share) - stable * math.log(1 - share)


def log_beta(first: float, second: float) -> float:
    """Logarithm of the Beta function."""
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)


@dataclass(frozen=True)
class Evidence:
    """What the judge knows of one signal: E and counts of the whole rollout, A and counts since the step began."""

    harm: StartMixture = StartMixture()
    clearance: Clearance = Clearance()
    step: Window = EMPTY
    total: Window = EMPTY

    def add(
        self, window: Window, *, margin: float, floor: float, rolls_back: bool = True, blocks: bool = True
    ) -> "Evidence":
        """The evidence after `window`; E and A each grow only by windows that may do what they are for."""
        return Evidence(
            harm=harm(self.harm, window) if rolls_back else self.harm,
            clearance=self.clearance.add(window, margin=margin, floor=floor) if blocks else self.clearance,
            step=self.step + window,
            total=self.total + window,
        )

    def add_alone(self, *, exposure: int, bad: int, floor: float | None) -> "Evidence":
        """The evidence after a window that has no stable to compare with. floor: None gathers counts only."""
        window = Window(exposure, bad, 0, 0)
        return Evidence(
            harm=self.harm if floor is None else guard(self.harm, exposure=exposure, bad=bad, floor=floor),
            clearance=self.clearance,
            step=self.step + window,
            total=self.total + window,
        )

    def next_step(self) -> "Evidence":
        """P, F and the step's counts begin anew; E goes on."""
        return Evidence(harm=self.harm, total=self.total)

    def document(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "harm": {"windows": self.harm.windows, "logs": list(self.harm.logs)},
            "clearance": {"log_p": self.clearance.log_p, "log_f": self.clearance.log_f},
            "step": window_document(self.step),
            "total": window_document(self.total),
        }


NOTHING = Evidence()


def parse_evidence(document: Mapping[str, Any]) -> Evidence:
    """Inverse of `Evidence.document`."""
    return Evidence(
        harm=StartMixture(document["harm"]["windows"], tuple(document["harm"]["logs"])),
        clearance=Clearance(document["clearance"]["log_p"], document["clearance"]["log_f"]),
        step=Window(**document["step"]),
        total=Window(**document["total"]),
    )


def window_document(window: Window) -> dict[str, int]:
    """For the journal."""
    return {
        "canary_exposure": window.canary_exposure,
        "canary_bad": window.canary_bad,
        "stable_exposure": window.stable_exposure,
        "stable_bad": window.stable_bad,
    }
