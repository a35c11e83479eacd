"""What a version takes for what, and how that differs from another on the same test images."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from registry.domain.checklist import Candidate

Counts = Mapping[tuple[str, str], int]
"""Images by (what they show, what was answered)."""


@dataclass(frozen=True)
class Confusion:
    """candidate − base, and why there is none. classes: all that occur, sorted."""

    classes: tuple[str, ...] = ()
    candidate: Counts | None = None
    base: Counts | None = None
    reason: str = ""

    def change(self, label: str, answer: str) -> int:
        """How many more images of `label` the candidate takes for `answer`; its own count where there is no base."""
        mine = (self.candidate or {}).get((label, answer), 0)
        return mine if self.base is None else mine - self.base.get((label, answer), 0)


def confusion(candidate: Candidate, base: Candidate | None) -> Confusion:
    """Of the candidate's test images; the base's answers to the very same ones."""
    evaluation = candidate.evaluation
    if evaluation is None or not evaluation.images:
        return Confusion(reason=candidate.verification_error or f"version {candidate.version} has no evaluation")
    mine = Counter((image.label, image.fp32) for image in evaluation.images)
    answers = _answers(candidate, base) if base is not None else None
    theirs = None
    if answers is not None:
        theirs = Counter((image.label, answers[image.id]) for image in evaluation.images)
    classes = tuple(sorted({name for pair in (*mine, *(theirs or ())) for name in pair}))
    reason = ""
    if base is None:
        reason = "the first version: nothing to compare with"
    elif theirs is None:
        reason = f"version {base.version} was not asked these images"
    return Confusion(classes, mine, theirs, reason)


def _answers(candidate: Candidate, base: Candidate) -> Mapping[str, str] | None:
    """The base's answer by image; None where it was not asked all of them."""
    evaluation = candidate.evaluation
    if evaluation is None:
        return None
    baseline = evaluation.baseline
    if baseline is not None and (baseline.version, baseline.digest) == (base.version, base.digest):
        return {image.id: answer for image, answer in zip(evaluation.images, baseline.classes, strict=True)}
    answers = {image.id: image.fp32 for image in base.evaluation.images} if base.evaluation else {}
    return answers if all(image.id in answers for image in evaluation.images) else None
