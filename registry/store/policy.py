"""Reads `policy.yaml`; what its keys mean is in `registry.domain.policy`."""

from pathlib import Path

import yaml

from registry.domain.errors import InvalidDocument
from registry.domain.policy import Policy, parse_policy

DEFAULT_POLICY_TEXT = """\
# What a promotion must pass. Every key is optional; these are the defaults. Durations are seconds, rates are fractions.
schema: 1
writeMode: live
serving:
  minReplicas: 2
  maxReplicas: 10
checklist:
  # 95 % sure that accuracy falls by no more than one point
  - {check: accuracy, min: -0.01}
rollout:
  # percent of live requests, and how long at least
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
    """Read a policy; the defaults where there is no file. Raises InvalidDocument with line or key."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = DEFAULT_POLICY_TEXT
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InvalidDocument(f"{path}: {line}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidDocument(f"{path}: not readable as YAML ({error})") from error
    return parse_policy({} if document is None else document, text)
