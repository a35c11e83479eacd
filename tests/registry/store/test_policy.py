"""Reading policy.yaml."""

from dataclasses import replace
from pathlib import Path

import pytest

from registry.domain.errors import InvalidDocument
from registry.domain.policy import Policy
from registry.domain.rules import Check, CheckRule
from registry.store.policy import DEFAULT_POLICY_TEXT, load_policy


def test_no_file_is_the_default_policy(tmp_path: Path) -> None:
    policy = load_policy(tmp_path / "policy.yaml")
    assert policy.text == DEFAULT_POLICY_TEXT
    assert policy == Policy(checklist=(CheckRule(Check.ACCURACY, minimum=-0.01),), text=DEFAULT_POLICY_TEXT)


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
