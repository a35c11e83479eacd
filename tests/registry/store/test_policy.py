"""Reading policy.yaml."""

from dataclasses import replace
from pathlib import Path

import pytest

from registry.domain.errors import InvalidDocument
from registry.domain.policy import Policy
from registry.domain.rules import LIMITS, Check, Rules
from registry.store.policy import DEFAULT_POLICY_TEXT, load_policy


def test_no_file_is_the_default_policy(tmp_path: Path) -> None:
    policy = load_policy(tmp_path / "policy.yaml")
    assert policy.text == DEFAULT_POLICY_TEXT
    assert replace(policy, checklist=()) == Policy(text=DEFAULT_POLICY_TEXT)


def test_the_written_checklist_says_what_holds_without_it(tmp_path: Path) -> None:
    written, silent = Rules(load_policy(tmp_path / "policy.yaml").checklist), Rules()
    assert [written.limit(check) for check in LIMITS] == [silent.limit(check) for check in LIMITS]
    assert [written.required(check) for check in Check] == [True] * len(Check)
    assert written.requests == silent.requests


def test_an_empty_file_has_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("")
    assert load_policy(tmp_path / "policy.yaml") == Policy()


def test_the_text_is_kept_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rollout: {warmup: 3} # short\n")
    policy = load_policy(tmp_path / "policy.yaml")
    assert policy.text == "rollout: {warmup: 3} # short\n"
    assert policy.rollout == replace(Policy().rollout, warmup=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"rollout:\n  alpha: .05\n  - x\n", "line 3"),
        (b"a: *nowhere", "line 1"),
        (b"!!python/object/apply:os.getcwd []", "line 1"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"schema: 1\x00", "not readable"),
        (b"- 1", "found list, wanted an object"),
        (b"drift: 2026-99-99", "month must be in 1..12"),
        (b"drift: 2026-03-01", "drift: found date, wanted an object"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(content)
    with pytest.raises(InvalidDocument, match=message):
        load_policy(tmp_path / "policy.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("schema: 2\n", "line 1: schema is 2"),
        ("schema: 1\nrolout: {}\n", "line 2: key 'rolout' is unknown"),
        ("rollout:\n  # why\n  alpha: 7\n", "line 3: rollout: alpha is 7"),
        ("rollout:\n  steps:\n    - {weight: 5}\n    - {weight: 0}\n", r"line 4: rollout: steps\[1\]: weight is 0"),
        ("rollout:\n  steps:\n    - {weight: 5}\n    - {soak: 3}\n", r"line 4: rollout: steps\[1\]: weight is mis"),
        ("rollout:\n  steps:\n    - {weight: 5}\n    - {weight: 5}\n", "line 2: rollout: steps have weights"),
        ("checklist:\n- check: accuracy\n  max: 3\n", r"line 3: checklist\[0\]: accuracy has max"),
        ("checklist:\n- 3\n", r"line 2: checklist\[0\]: found int"),
        ("slo:\n  latency:\n    objective: 1\n", "line 3: slo: latency: objective is 1"),
        ("a: &a {alpha: 7}\nrollout: {<<: *a}\n", "line 1: key 'a' is unknown"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(content)
    with pytest.raises(InvalidDocument, match=rf"policy\.yaml: {message}"):
        load_policy(tmp_path / "policy.yaml")
