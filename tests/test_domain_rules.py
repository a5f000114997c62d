"""docs/domain.md keeps its word: every rule is there, in the module that it names, and has a test that proves it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.test_docs import ROOT, Row, rows

DOCUMENT = ROOT / "docs" / "domain.md"
RULES = [f"R{number:02}" for number in range(1, 68)]
COLUMNS = ("rule", "what it says", "where", "proved by")


def table(text: str) -> dict[str, Row]:
    found = list(rows(text, *COLUMNS))
    names = [row.cells["rule"] for row in found]
    assert len(set(names)) == len(names), "a rule stands in the table twice"
    return dict(zip(names, found, strict=True))


@cache
def functions_of(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_rule_is_in_the_table() -> None:
    assert list(table(DOCUMENT.read_text(encoding="utf-8"))) == RULES


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_lives_where_the_table_says(rule: str) -> None:
    where = table(DOCUMENT.read_text(encoding="utf-8"))[rule].words("where")

    assert where
    assert [place for place in where if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_proved_by_a_test_that_is_there(rule: str) -> None:
    named = table(DOCUMENT.read_text(encoding="utf-8"))[rule].words("proved by")

    assert named
    for each in named:
        file, _, test = each.partition("::")
        assert re.fullmatch(r"test_\w+", test), each
        assert test in functions_of(ROOT / "tests" / file), each
