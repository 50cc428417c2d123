"""Figures per group over what an actor may read: groups by field or by calendar bucket.

The engine groups moments by quarter of an hour (every zone's offset since 1972 is a multiple of it) and
dates by day; the calendar of the zone puts them into buckets here, so both engines give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from karvan.access import policy
from karvan.metadata.catalog import FieldType, ObjectType
from karvan.metadata.fragments import Fragment
from karvan.metadata.kinds import Dialect
from karvan.records.query import Source, View, where_of
from karvan.records.shapes import BUCKETS, AggregateQuery, Measure
from karvan_sdk.errors import BadInput

GROUPS_MAX = 10_000
RAW_GROUPS_MAX = 500_000
WIDE = 10**9
"""SQLite's sum of 64-bit integers can overflow: high and low parts are summed apart and joined here."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """One grouping: its SQL, and how its raw value becomes the value of the answer."""

    key: str
    sql: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measure: the SQL of its parts, and how parts of several raw groups become one figure."""

    key: str
    sqls: tuple[str, ...]
    merge: Callable[[Sequence[Sequence[Any]]], Any]


@dataclass(frozen=True, kw_only=True)
class AggregatePlan:
    """The statement and what makes the answer of its rows."""

    statement: Fragment
    groups: tuple[Group, ...]
    figures: tuple[Figure, ...]

    def answer(self, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Merge raw groups into the groups asked for, sorted by group, empties last."""
        width = len(self.groups)
        if len(rows) > RAW_GROUPS_MAX:
            raise _too_many()
        merged: dict[tuple[Any, ...], list[Sequence[Any]]] = {}
        for row in rows:
            key = tuple(
                None if value is None else g.read(value)
                for g, value in zip(self.groups, row[:width], strict=True)
            )
            merged.setdefault(key, []).append(row[width:])
        if len(merged) > GROUPS_MAX:
            raise _too_many()
        found: list[dict[str, Any]] = []
        for key in sorted(merged, key=lambda k: tuple((v is None, "" if v is None else v) for v in k)):
            parts = merged[key]
            record: dict[str, Any] = {g.key: v for g, v in zip(self.groups, key, strict=True)}
            at = 0
            for figure in self.figures:
                end = at + len(figure.sqls)
                record[figure.key] = figure.merge([p[at:end] for p in parts])
                at = end
            found.append(record)
        return found


def plan_aggregate(
    view: View, object_type: ObjectType, query: AggregateQuery, timezone: str
) -> AggregatePlan:
    """Plan an aggregate; raises BadInput or UnknownField that names the input."""
    source = Source(view=view, object_type=object_type)
    zone = _zone(query.tz or timezone)
    groups = tuple(_group(source, text, zone) for text in query.group)
    if len({g.key for g in groups}) != len(groups):
        raise BadInput("A group stands twice.", field="group")
    if not query.measures:
        raise BadInput("At least one measure is needed.", field="measures")
    figures = tuple(_figure(source, m) for m in dict.fromkeys(query.measures))
    where, _ = where_of(source, query.filter)
    columns = [g.sql for g in groups] + [sql for f in figures for sql in f.sqls]
    text = (
        f'SELECT {", ".join(columns)} FROM "{object_type.table}" t{"".join(source.joins)} WHERE {where.text}'
    )
    if groups:
        text += f" GROUP BY {', '.join(str(i + 1) for i in range(len(groups)))} LIMIT {RAW_GROUPS_MAX + 1}"
    return AggregatePlan(
        statement=Fragment(text=text, params=(*source.params, *where.params)), groups=groups, figures=figures
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"There is no time zone '{name[:60]}'.", field="tz") from None


def _too_many() -> BadInput:
    return BadInput(f"More than {GROUPS_MAX} groups; use a coarser bucket or a filter.", field="group")


def _group(source: Source, text: str, zone: ZoneInfo) -> Group:
    name, _, bucket = text.partition(":")
    found = policy.resolve(source.view.actor, source.object_type, name)
    kind = found.kind.name
    if bucket:
        if bucket not in BUCKETS:
            raise BadInput(f"'{bucket}' is no bucket; choose one of {', '.join(BUCKETS)}.", field="group")
        if kind not in ("date", "datetime"):
            raise BadInput(f"'{name}' is no date and has no buckets.", field="group")
    elif not found.kind.sortable or kind == "datetime":
        hint = f" Use '{name}:day' or another bucket." if kind == "datetime" else ""
        raise BadInput(f"'{name}' can't be grouped by.{hint}", field="group")
    column = source.column((name,))
    if not bucket:
        show = found.kind.show(found.declaration, source.view.dialect)
        return Group(key=text, sql=column, read=show or (lambda value: value))
    if kind == "date":
        return Group(
            key=text, sql=column, read=lambda v: bucket_start(date.fromisoformat(v), bucket).isoformat()
        )
    sql, moment = _quarter_hours(column, source.view.dialect)
    return Group(
        key=text,
        sql=sql,
        read=lambda v: bucket_start(moment(v).astimezone(zone).date(), bucket).isoformat(),
    )


def _quarter_hours(column: str, dialect: Dialect) -> tuple[str, Callable[[Any], datetime]]:
    if dialect == "postgresql":
        return f"date_bin('15 minutes', {column}, TIMESTAMPTZ '2000-01-01 00:00:00+00')", lambda v: v
    sql = f"substr({column}, 1, 14) || (CAST(substr({column}, 15, 2) AS INTEGER) / 15)"
    return sql, lambda v: datetime.fromisoformat(v[:13] + ":00+00:00") + timedelta(minutes=15 * int(v[14:]))


def bucket_start(day: date, bucket: str) -> date:
    """The first day of the bucket that holds `day`; weeks begin on Monday (ISO 8601)."""
    if bucket == "week":
        ordinal = day.toordinal() - day.weekday()
        return date.fromordinal(max(ordinal, 1))
    if bucket == "month":
        return day.replace(day=1)
    if bucket == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    if bucket == "year":
        return day.replace(month=1, day=1)
    return day


def _figure(source: Source, measure: Measure) -> Figure:
    if measure.fn == "count" and measure.field is None:
        return Figure(key="count", sqls=("count(*)",), merge=_total)
    if measure.field is None:
        raise BadInput(f"The measure '{measure.fn}' needs a field.", field="measures")
    found = policy.resolve(source.view.actor, source.object_type, measure.field)
    column = source.column((measure.field,))
    if measure.fn == "count":
        return Figure(key=measure.key, sqls=(f"count({column})",), merge=_total)
    if measure.fn in ("sum", "avg"):
        if not found.kind.measure:
            raise BadInput(f"'{measure.field}' is no number; {measure.fn} needs one.", field="measures")
        return _sum_or_avg(measure, found, column, source.view.dialect)
    if not found.kind.sortable or found.kind.name == "boolean":
        raise BadInput(f"'{measure.field}' has no {measure.fn}.", field="measures")
    return _extreme(measure, found, column, source.view.dialect)


def _total(parts: Sequence[Sequence[Any]]) -> int:
    return sum(p[0] for p in parts)


def _sum_or_avg(measure: Measure, found: FieldType, column: str, dialect: Dialect) -> Figure:
    whole = found.kind.name == "integer"
    scale = found.scale

    def total(part: Sequence[Any]) -> Decimal:
        if dialect == "postgresql":
            return Decimal(part[0] or 0)
        return Decimal((part[0] or 0) * WIDE + (part[1] or 0)).scaleb(-scale)

    sqls: tuple[str, ...] = (
        (f"sum({column})",)
        if dialect == "postgresql"
        else (f"sum({column} / {WIDE})", f"sum({column} % {WIDE})")
    )
    sqls = (*sqls, f"count({column})")

    def merge_sum(parts: Sequence[Sequence[Any]]) -> Any:
        if not sum(p[-1] for p in parts):
            return None
        found_sum = sum((total(p) for p in parts), Decimal(0))
        return int(found_sum) if whole else str(found_sum.quantize(Decimal(1).scaleb(-scale)))

    def merge_avg(parts: Sequence[Sequence[Any]]) -> Any:
        count = sum(p[-1] for p in parts)
        if not count:
            return None
        mean = sum((total(p) for p in parts), Decimal(0)) / count
        return str(mean.quantize(Decimal(1).scaleb(-max(scale, 2)), rounding=ROUND_HALF_UP))

    return Figure(key=measure.key, sqls=sqls, merge=merge_sum if measure.fn == "sum" else merge_avg)


def _extreme(measure: Measure, found: FieldType, column: str, dialect: Dialect) -> Figure:
    show = found.kind.show(found.declaration, dialect)
    pick = min if measure.fn == "min" else max
    # numeric arrives as text from PostgreSQL and must be compared as a number
    order: Callable[[Any], Any] = (
        Decimal if dialect == "postgresql" and found.kind.measure else lambda value: value
    )

    def merge(parts: Sequence[Sequence[Any]]) -> Any:
        values = [p[0] for p in parts if p[0] is not None]
        if not values:
            return None
        best = pick(values, key=order)
        return show(best) if show else best

    return Figure(key=measure.key, sqls=(f"{measure.fn}({column})",), merge=merge)
