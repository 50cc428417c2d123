"""The report of an exchange: every refusal by name, article and reason, up to what a record can hold."""

from __future__ import annotations

from collections.abc import Iterable

from karvan_onec.merging import Refusal
from karvan_sdk import HookContext

MESSAGE_MAX = 95_000
NO_ROOM = "…"


def describe_refusal(ctx: HookContext, refusal: Refusal) -> str:
    """One line: `Boots (B-17), line 120: SKU “B-17” belongs to another record already.`"""
    name = f"{refusal.title} ({refusal.sku})" if refusal.sku else refusal.title
    where = f", {ctx.t('line %(line)s', line=refusal.line)}" if refusal.line else ""
    return f"{name}{where}: {refusal.reason}"


def add_lines(message: str | None, lines: Iterable[str]) -> str | None:
    """The report with further lines; one that is full ends with an ellipsis and takes none."""
    report = message or ""
    for line in lines:
        if report.endswith(NO_ROOM):
            break
        if len(report) + len(line) + 4 > MESSAGE_MAX:
            report = f"{report}\n{NO_ROOM}"
            break
        report = f"{report}\n{line}" if report else line
    return report or None
