"""The table of docs/check.md, made of the rules; `python -m tests.check_table` writes it anew."""

from __future__ import annotations

import re

from karvan_sdk.checks import RULES
from tests.source import ROOT

PAGE = ROOT / "docs" / "check.md"


def render() -> str:
    """The rules as a table in Markdown."""
    rows = [f"| `{r.id}` | {r.severity} | {r.about} | {r.instead} |" for r in RULES.values()]
    return "\n".join(["| rule | | finds | instead |", "|---|---|---|---|", *rows, ""])


def filled(text: str) -> str:
    """The page with the table as the code has it."""
    return re.sub(r"^\| rule \|.*\n(?:^\|.*\n)+", lambda found: render(), text, flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
