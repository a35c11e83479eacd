"""The rule files and their promtool tests, read for whoever checks them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILES = ROOT / "charts" / "monitoring" / "files"
RULES = tuple(sorted((FILES / "rules").glob("*.yaml")))
TESTS = tuple(sorted((Path(__file__).parent / "rules").glob("*.test.yaml")))

CASES = ("fires", "does not fire", "no traffic", "counter reset", "absent")
"""What the tests of an alert show. A case is named `<rule>: <case> …`."""

_NOT_NAMES = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|ignoring|group_left)\s*\([^)]*\)|\b\d[\w.]*')
_NAME = re.compile(r"(?<![\w:])[a-zA-Z_:][\w:]*(?![\w:])(?!\s*\()")
_OPERATORS = frozenset({"and", "or", "unless", "by", "on"})


@dataclass(frozen=True)
class Rule:
    """One rule. name: of its alert, or of what it records."""

    path: Path
    name: str
    document: dict[str, Any]

    @property
    def alert(self) -> bool:
        return "alert" in self.document

    @property
    def expression(self) -> str:
        return str(self.document["expr"])


def rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(path, rule.get("alert") or rule["record"], rule)
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    )


def case_names() -> tuple[str, ...]:
    return tuple(case["name"] for path in TESTS for case in yaml.safe_load(path.read_text())["tests"])


def metrics(expression: str) -> frozenset[str]:
    """Every metric that an expression names."""
    return frozenset(_NAME.findall(_NOT_NAMES.sub(" ", expression))) - _OPERATORS
