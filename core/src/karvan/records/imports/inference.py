"""What a whole column tells: its decimal sign, the order of its dates, the type of a field made for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from karvan.metadata.kinds import TEXT_MAX, Wrong
from karvan.records.imports.folding import ascii_digits, fold_name
from karvan.records.imports.values import (
    FALSE_WORDS,
    NUMERIC_DATE,
    TRUE_WORDS,
    DateOrder,
    Style,
    read_moment,
    read_number,
)

DIGITS_MAX = 15
SCALE_MAX = 6
BOOLEAN_WORDS = (TRUE_WORDS | FALSE_WORDS) - {"on", "off"}
Reason = Literal["decided", "default", "given", "mixed"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How an ambiguous column was read and why, for the report.

    `what` is "dates" or "numbers"; `choice` an order of dates or a decimal sign; `evidence` the cell that
    decided.
    """

    header: str
    what: Literal["dates", "numbers"]
    choice: str
    reason: Reason
    evidence: str = ""


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """The type of a field for a column, with its decimals where it has some."""

    type: str
    scale: int | None = None


# -- style ------------------------------------------------------------------------------------------------


def find_date_order(values: Sequence[str], default: DateOrder = "mdy") -> tuple[DateOrder, Reason, str]:
    """The order of day and month that the whole column allows, why, and the cell that decided.

    With dots the default is day first, since nobody writes month first with dots.
    """
    votes: dict[DateOrder, list[str]] = {"dmy": [], "mdy": []}
    dots = False
    for value in values:
        found = NUMERIC_DATE.fullmatch(ascii_digits(value.strip()))
        if not found:
            continue
        dots = dots or found["mark"] == "."
        if int(found["a"]) > 12 >= int(found["b"]):
            votes["dmy"].append(value)
        elif int(found["b"]) > 12 >= int(found["a"]):
            votes["mdy"].append(value)
    if votes["dmy"] and votes["mdy"]:
        winner: DateOrder = "dmy" if len(votes["dmy"]) >= len(votes["mdy"]) else "mdy"
        loser: DateOrder = "mdy" if winner == "dmy" else "dmy"
        return winner, "mixed", votes[loser][0]
    for order, evidence in votes.items():
        if evidence:
            return order, "decided", evidence[0]
    return ("dmy" if dots else default), "default", ""


def has_numeric_dates(values: Sequence[str]) -> bool:
    """Whether the order of day and month matters in this column."""
    return any(NUMERIC_DATE.fullmatch(ascii_digits(v.strip())) for v in values)


_GROUPED = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


def find_decimal(values: Sequence[str]) -> tuple[str, Reason, str]:
    """The decimal sign that the whole column allows; a point where nothing tells."""
    votes: dict[str, list[str]] = {".": [], ",": []}
    ambiguous = ""
    for value in values:
        bare = "".join(c for c in ascii_digits(value) if c.isdigit() or c in ".,").strip(".,")
        sign, certain = _decimal_of(bare)
        if sign and certain:
            votes[sign].append(value)
        elif sign and not ambiguous:
            ambiguous = value
    if votes["."] and votes[","]:
        winner = "." if len(votes["."]) >= len(votes[","]) else ","
        return winner, "mixed", votes["," if winner == "." else "."][0]
    for sign, evidence in votes.items():
        if evidence:
            return sign, "decided", evidence[0]
    return ".", "default", ambiguous


def _decimal_of(bare: str) -> tuple[str, bool]:
    point, comma = bare.rfind("."), bare.rfind(",")
    if point < 0 and comma < 0:
        return "", False
    if point >= 0 and comma >= 0:
        return ("." if point > comma else ","), True
    mark, other = (".", ",") if point >= 0 else (",", ".")
    if bare.count(mark) > 1:
        return other, True
    if _GROUPED.fullmatch(bare) and not bare.startswith("0"):
        return ".", False  # 1,234 or 1.234: the comma groups, the point divides
    return mark, True


def find_style(
    header: str,
    kind: str,
    values: Sequence[str],
    base: Style,
    *,
    decimal: str = "",
    order: DateOrder | None = None,
) -> tuple[Style, tuple[Decision, ...]]:
    """The style of a column of a known kind, with the decisions that a reader of the report must see."""
    if kind in ("integer", "decimal", "currency", "percent"):
        if decimal:
            return replace(base, decimal=decimal), ()
        sign, reason, evidence = find_decimal(values)
        if not evidence:
            return replace(base, decimal=sign), ()
        decision = Decision(header=header, what="numbers", choice=sign, reason=reason, evidence=evidence)
        shown = () if sign == "." and reason == "decided" else (decision,)
        return replace(base, decimal=sign), shown
    if kind in ("date", "datetime") and has_numeric_dates(values):
        if order:
            return replace(base, order=order), (
                Decision(header=header, what="dates", choice=order, reason="given"),
            )
        found, reason, evidence = find_date_order(values, base.order)
        return replace(base, order=found), (
            Decision(header=header, what="dates", choice=found, reason=reason, evidence=evidence),
        )
    return base, ()


# -- type -------------------------------------------------------------------------------------------------

_LEADING_ZERO = re.compile(r"[-+]?0\d|\+")
_EMAIL = re.compile(r"[^@\s\"(),:;<>\[\]\\]+@[^@\s\"(),:;<>\[\]\\.]+(?:\.[^@\s\"(),:;<>\[\]\\.]+)+")
_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)


def infer_type(values: Sequence[str], *, decimal: str = "", order: DateOrder | None = None) -> Inferred:
    """The type that fits every value of a column (empty ones left out); text where none fits.

    A choice is never inferred: whether the values seen are all there may be is not to be read from a file.
    """
    distinct = list(dict.fromkeys(v for v in values if v.strip()))
    if not distinct:
        return Inferred(type="text")
    if _are_boolean(distinct):
        return Inferred(type="boolean")
    number = _number_type(distinct, decimal)
    if number:
        return number
    moment = _moment_type(distinct, order)
    if moment:
        return moment
    if all(len(v) <= TEXT_MAX for v in distinct):
        if all(_EMAIL.fullmatch(v.strip()) for v in distinct):
            return Inferred(type="email")
        if all(_URL.fullmatch(v.strip()) for v in distinct):
            return Inferred(type="url")
    long = any(len(v) > TEXT_MAX or "\n" in v for v in distinct)
    return Inferred(type="long_text" if long else "text")


def _are_boolean(values: Sequence[str]) -> bool:
    """0 and 1, or the whole words; single letters (`f`, `x`) are too often something else."""
    words = {fold_name(ascii_digits(v)) for v in values}
    return words <= {"0", "1"} or all(w in BOOLEAN_WORDS and (len(w) > 1 or not w.isascii()) for w in words)


def _number_type(values: Sequence[str], decimal: str) -> Inferred | None:
    # codes such as 05021 and phones such as +7… would lose what makes them what they are
    if any(_LEADING_ZERO.match(ascii_digits(v.strip())) for v in values):
        return None
    sign = decimal or find_decimal(values)[0]
    try:
        numbers = [read_number(v, sign) for v in values]
    except Wrong:
        return None
    scale = max(len(n.text.partition(".")[2].rstrip("0")) for n in numbers)
    whole = max(len(n.text.partition(".")[0].lstrip("-")) for n in numbers)
    if whole > DIGITS_MAX or scale > SCALE_MAX or whole + scale > DIGITS_MAX + 3:
        return None
    if any(n.currency for n in numbers):
        return Inferred(type="currency", scale=max(2, scale))
    if all(n.percent for n in numbers):
        return Inferred(type="percent", scale=max(2, scale))
    if any(n.percent for n in numbers):
        return None
    if scale == 0 and not any("." in n.text for n in numbers):
        return Inferred(type="integer")
    return Inferred(type="decimal", scale=max(2, scale))


def _moment_type(values: Sequence[str], order: DateOrder | None) -> Inferred | None:
    style = Style(order=order or find_date_order(values)[0])
    try:
        moments = [read_moment(v, style) for v in values]
    except Wrong:
        return None
    timed = any(m.time and (m.value.hour or m.value.minute or m.value.second) for m in moments)
    return Inferred(type="datetime" if timed else "date")
