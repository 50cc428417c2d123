"""docs/expressions.md names every function and every fault of the language, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from karvan_sdk.expressions import ERRORS, FUNCTIONS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "expressions.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$", re.MULTILINE)


def rows(start: str, end: str = "") -> dict[str, str]:
    part = TEXT[TEXT.index(start) : TEXT.index(end) if end else None]
    return {name: rest.replace("\\|", "|") for name, rest in ROW.findall(part)}


def test_the_table_of_functions_is_that_of_the_code() -> None:
    expected = {f.usage: f"{f.group} | {f.summary} | {'yes' if f.sql else 'no'}" for f in FUNCTIONS.values()}
    assert rows("## Functions", "## Faults") == expected


def test_the_table_of_faults_is_that_of_the_code() -> None:
    assert rows("## Faults") == dict(ERRORS)
