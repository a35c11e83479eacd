"""Reads `policy.yaml`; what its keys mean is in `registry.domain.policy`."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from registry.domain.errors import InvalidDocument
from registry.domain.policy import POLICY, Policy, parse_policy

DEFAULT_POLICY_TEXT = """\
# What a promotion must pass. Every key is optional; these are the defaults. Durations are seconds, rates are fractions.
schema: 1
writeMode: live
serving:
  minReplicas: 2
  maxReplicas: 10
checklist:
  # `required: false` beside a check: its answer is recorded and refuses nothing
  # 95 % sure that accuracy falls by no more than one point, and no class's recall by more than five
  - {check: accuracy, min: -0.01}
  - {check: recall, min: -0.05}
  # confidence is off by no more than this on average; the exported net by no more than that from the trained one
  - {check: calibration, max: 0.05}
  - {check: parity, max: 0.0001}
  # so many answers of the staging revision, 99 % of them within the SLO; `max` takes other seconds than the SLO's
  - {check: latency, requests: 100}
rollout:
  # percent of live requests, and how long at least; before them `{header: only}` or `{mirror: 100}`
  steps:
    - {weight: 5, soak: 60}
    - {weight: 10, soak: 60}
    - {weight: 25, soak: 60}
    - {weight: 50, soak: 60}
  # up to this weight, so many times production's rate is unacceptable
  margins:
    - {upTo: 10, ratio: 10}
    - {upTo: 30, ratio: 4}
    - {upTo: 50, ratio: 2}
  # how often a healthy version may go back, and an unacceptable one may go on
  alpha: 0.05
  beta: 0.05
  # below these rates nothing is unacceptable
  floors:
    errors: 0.01
    refused: 0.05
    low_confidence: 0.10
  warmup: 60
  deadline: 86400
  rollbackWindow: 3600
drift: {minimum: 10000, days: 7}
approvals: {required: 0, expire: 86400}
"""


def load_policy(path: Path) -> Policy:
    """Read a policy; the defaults where there is no file. Raises InvalidDocument with line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = DEFAULT_POLICY_TEXT
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
    return parse_policy_text(text, where=str(path))


def parse_policy_text(text: str, *, where: str) -> Policy:
    """A policy's YAML; `where` names it. Raises InvalidDocument with line and key."""
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InvalidDocument(f"{where}: {line}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidDocument(f"{where}: not readable as YAML ({error})") from error
    try:
        return parse_policy({} if document is None else document, text)
    except InvalidDocument as error:
        told = str(error).removeprefix(f"{POLICY}: ")
        raise InvalidDocument(f"{where}: line {_line(yaml.compose(text), error.path)}: {told}", error.path) from error


def _line(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    """The line of what `path` leads to, or of the last thing on the way that is there."""
    line = 0 if node is None else node.start_mark.line
    for step in path:
        if isinstance(node, yaml.MappingNode):
            # the last of equal keys is the one that was read
            found = [(key, value) for key, value in node.value if key.value == step]
            key, node = found[-1] if found else (None, None)
            line = key.start_mark.line if key else line
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
    return line + 1
