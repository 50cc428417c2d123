"""docs/expressions.md names every function and every fault of the language, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import karvan_sdk.expressions as language

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "expressions.md").read_text(encoding="utf-8")
FOLDER = Path(language.__file__).parent
SOURCES = " ".join((FOLDER / f"{n}.py").read_text(encoding="utf-8") for n in ("language", "parse"))


def test_every_function_is_in_the_table() -> None:
    table = TEXT[TEXT.index("## Functions") : TEXT.index("## Faults")]
    spans = {
        f"{w}_{u}" for w in ("this", "last", "next") for u in ("day", "week", "month", "quarter", "year")
    }
    known = {"today", "now", "me", "date", "last_days", "next_days"} | spans
    assert set(re.findall(r"`(\w+)\(", table)) == known


def test_every_fault_is_named() -> None:
    raised = set(re.findall(r'ExpressionError\(\s*"(\w+)"', SOURCES)) | set(
        re.findall(r'self\.fa(?:il|ult)\(\s*"(\w+)"', SOURCES)
    )
    raised |= {"open_text", "bad_char"}  # chosen between in one place
    paragraph = TEXT[TEXT.index("## Faults") :]
    assert set(re.findall(r"`([a-z_]+)`", paragraph)) - {"position", "end"} == raised
