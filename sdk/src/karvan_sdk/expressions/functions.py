"""The one table of functions: name, group, how it is written, whether a filter may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from karvan_sdk.expressions.parser import PERIODS


@dataclass(frozen=True, kw_only=True)
class Function:
    """One function: `least` to `most` arguments (None: any number), `sql` whether filters may use it."""

    name: str
    group: str
    usage: str
    least: int
    most: int | None
    summary: str
    sql: bool = True


def _row(usage: str, least: int, most: int | None, group: str, summary: str, *, sql: bool = True) -> Function:
    return Function(
        name=usage.partition("(")[0],
        group=group,
        usage=usage,
        least=least,
        most=most,
        summary=summary,
        sql=sql,
    )


_PERIOD_WORDS = {"this": "the present", "last": "the previous", "next": "the following"}


def _periods() -> list[Function]:
    found = []
    for name in sorted(PERIODS - {"last_days", "next_days"}):
        which, unit = name.split("_")
        found.append(_row(f"{name}()", 0, 0, "period", f"{_PERIOD_WORDS[which]} {unit}; after `in`"))
    found.append(_row("last_days(n)", 1, 1, "period", "the last n days, today included; after `in`"))
    found.append(_row("next_days(n)", 1, 1, "period", "the next n days, from tomorrow; after `in`"))
    return found


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        f.name: f
        for f in (
            _row("if(c, a, b)", 3, 3, "logic", "a where c is true, else b"),
            _row("coalesce(a, b, …)", 2, 20, "logic", "the first that is not empty; also `a ?? b`"),
            _row("is_empty(x)", 1, 1, "logic", "also `x is empty`"),
            _row("abs(x)", 1, 1, "number", "without its sign"),
            _row(
                "round(x, n)", 1, 2, "number", "to n decimals (0 to 12, 0 if left out), half away from zero"
            ),
            _row("floor(x)", 1, 1, "number", "the next whole number down"),
            _row("ceil(x)", 1, 1, "number", "the next whole number up"),
            _row("min(a, b, …)", 1, 20, "number", "the least that is not empty; also of dates and moments"),
            _row(
                "max(a, b, …)", 1, 20, "number", "the greatest that is not empty; also of dates and moments"
            ),
            _row("mod(a, b)", 2, 2, "number", "the rest, with the sign of b; empty for b = 0"),
            _row("length(t)", 1, 1, "text", "the number of characters"),
            _row("left(t, n)", 2, 2, "text", "the first n characters"),
            _row("right(t, n)", 2, 2, "text", "the last n characters"),
            _row("mid(t, from, n)", 3, 3, "text", "n characters from a place, counted from 1"),
            _row("trim(t)", 1, 1, "text", "without blanks at both ends"),
            _row("lower(t)", 1, 1, "text", "in small letters"),
            _row("upper(t)", 1, 1, "text", "in capital letters"),
            _row("replace(t, a, b)", 3, 3, "text", "with each a turned into b (both written out)"),
            _row("text(x)", 1, 1, "text", "a number, date or choice as text"),
            _row("today()", 0, 0, "date", "the day now"),
            _row("now()", 0, 0, "date", "the moment now"),
            _row("date(m)", 1, 1, "date", "the local day of a moment"),
            _row("year(d)", 1, 1, "date", "the year of a date"),
            _row("month(d)", 1, 1, "date", "1 to 12"),
            _row("day(d)", 1, 1, "date", "1 to 31"),
            _row("weekday(d)", 1, 1, "date", "1 (Monday) to 7"),
            _row("quarter(d)", 1, 1, "date", "1 to 4"),
            *_periods(),
            _row("me()", 0, 0, "actor", "the user who looks or acts"),
            _row("old(f)", 1, 1, "change", "the field before the change", sql=False),
            _row("changed(f)", 1, 1, "change", "whether the field differs from before", sql=False),
            _row("is_new()", 0, 0, "change", "whether the record is being created", sql=False),
        )
    }
)
"""Every function by name; `docs/expressions.md` holds the same table."""
