"""Are the rules' tests worth anything? Every threshold, comparison and `for` is changed, one at a time, and some test
of promtool must fail. Of expressions that differ in their window alone, one is changed.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.monitoring.programs import program
from tests.monitoring.rulefiles import RULES, TESTS, Rule, rules

pytestmark = [pytest.mark.monitoring, pytest.mark.timeout(3600)]

FACTORS = (0.8, 1.25)
SHARE = 0.9
"""Of all mutants, at least this many must be noticed."""

OTHERWISE = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "and": "or", "unless": "and"}
_TOKEN = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|(?P<operator>[<>]=?|==|\b(?:and|unless)\b)|(?<![\w.:])(?P<number>\d+(?:\.\d+)?)(?![\w.])'
)
_FOR = re.compile(r"(\d+)([smhd])")


@dataclass(frozen=True)
class Mutant:
    """A rule of which one thing was changed. key: `expr` or `for`."""

    rule: Rule
    key: str
    value: str
    what: str


def mutants(rule: Rule) -> Iterator[Mutant]:
    text = rule.expression
    for token in _TOKEN.finditer(text):
        if token["operator"]:
            others: Sequence[str] = (OTHERWISE[token["operator"]],)
        elif token["number"] and float(token["number"]):
            others = tuple(f"{float(token['number']) * factor:g}" for factor in FACTORS)
        else:
            continue
        for other in others:
            changed = text[: token.start()] + other + text[token.end() :]
            yield Mutant(rule, "expr", changed, f"{token.group()} → {other} at {token.start()}")
    if wait := _FOR.fullmatch(str(rule.document.get("for", ""))):
        for factor in (0.5, 2):
            other = f"{float(wait[1]) * factor:g}".replace(".5", "") + wait[2]
            yield Mutant(rule, "for", other, f"for {wait[0]} → {other}")


def noticed(mutant: Mutant, promtool: str, directory: Path) -> bool:
    """Whether some test fails; those named after the rule are asked first."""
    document = yaml.safe_load(mutant.rule.path.read_text())
    for group in document["groups"]:
        for found in group["rules"]:
            if found == mutant.rule.document:
                found[mutant.key] = mutant.value
    changed = directory / mutant.rule.path.name
    changed.write_text(yaml.safe_dump(document))
    for own in (True, False):
        for path in TESTS:
            tests = yaml.safe_load(path.read_text())
            names = [Path(name).name for name in tests["rule_files"]]
            if changed.name not in names:
                continue
            tests["rule_files"] = [
                str(changed) if name == changed.name else str(RULES[0].with_name(name)) for name in names
            ]
            tests["tests"] = [
                case for case in tests["tests"] if case["name"].startswith(f"{mutant.rule.name}: ") is own
            ]
            written = directory / path.name
            written.write_text(yaml.safe_dump(tests, sort_keys=False))
            if tests["tests"] and subprocess.run([promtool, "test", "rules", written], capture_output=True).returncode:
                return True
    return False


def test_nearly_every_changed_threshold_is_noticed(tmp_path):
    promtool = program("promtool")
    once = [rule for rule in rules() if ":ratio_rate" not in rule.name or rule.name.endswith(":ratio_rate1h")]
    made = [mutant for rule in once for mutant in mutants(rule)]
    survivors = [mutant for mutant in made if not noticed(mutant, promtool, tmp_path)]
    for mutant in survivors:
        print(f"not noticed: {mutant.rule.path.name} {mutant.rule.name}: {mutant.what}")
    print(f"{len(made) - len(survivors)} of {len(made)} mutants noticed")
    assert len(made) - len(survivors) >= SHARE * len(made)
