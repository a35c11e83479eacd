"""What to do about a check that refuses: the end of a refusal's sentence."""

from collections.abc import Mapping, Sequence

from registry.domain.checklist import CheckResult, Outcome
from registry.domain.rules import IDENTITY, Check
from registry.domain.version import Version

_BRING_BACK = "bring its signed files back (`geometry models import`), or promote another version"
_TRAIN = "make a new version with `geometry train`"
_ADVICE: Mapping[Check, str] = {
    Check.DIGEST: _BRING_BACK,
    Check.SIGNATURE: _BRING_BACK,
    Check.LINEAGE: _TRAIN,
    Check.DATA: _TRAIN,
    Check.METRICS: _TRAIN,
    Check.ACCURACY: _TRAIN,
    Check.RECALL: _TRAIN,
    Check.CALIBRATION: _TRAIN,
    Check.PARITY: _TRAIN,
    Check.INT8: "let the policy serve fp32 (serving: {variant: fp32})",
    Check.LATENCY: "look at its staging revision (`geometry status`), then promote it again",
}


def advice(version: Version, to: str, wrong: Sequence[CheckResult], *, comparison: bool = False) -> list[str]:
    """What to do about the checks in `wrong` of a promotion, each piece of it once; nothing for none.

    comparison: nothing forces one.
    """
    if not wrong:
        return []
    told = list(dict.fromkeys(_ADVICE[result.check] for result in wrong))
    if any(result.outcome is Outcome.UNKNOWN for result in wrong):
        told.append(f"`geometry check {version} --to {to}` asks again")
    if not comparison and not any(result.check in IDENTITY for result in wrong):
        told.append(f"`geometry promote {version} --to {to} --force --reason …` goes on all the same")
    return told
