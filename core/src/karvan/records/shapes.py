"""The questions that may be asked of records and the shapes of the answers: plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from karvan_sdk.errors import FieldError

LIMIT_MAX = 200
CountWanted = Literal["none", "estimate", "exact"]
CountKind = Literal["exact", "at_least"]
MeasureFn = Literal["count", "sum", "min", "max", "avg"]
BUCKETS = ("day", "week", "month", "quarter", "year")


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """Which records, which of their fields, in which order, from where on.

    `filter` is an expression, `sort` names fields with `-` for descending, `fields` None means all,
    `expand` names lookups and users to be shown with their names, `after` is the cursor of a page before.
    """

    filter: str = ""
    sort: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    expand: tuple[str, ...] = ()
    limit: int = 50
    after: str | None = None
    count: CountWanted = "none"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows in JSON form, the cursor of the next page (None: no more), and the count if it was wanted.

    `count_kind` "at_least" says that there are more than `count`.
    """

    rows: Sequence[Mapping[str, Any]]
    next: str | None = None
    count: int | None = None
    count_kind: CountKind | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure per group: the number of records, or sum, min, max, avg of a field."""

    fn: MeasureFn
    field: str | None = None

    @property
    def key(self) -> str:
        """The name under which the figure stands in the answer: `count`, `sum_amount`."""
        return self.fn if self.field is None else f"{self.fn}_{self.field}"


@dataclass(frozen=True, kw_only=True)
class AggregateQuery:
    """Figures over the records that match `filter`, per group.

    A group is a field or `field:bucket` with day, week, month, quarter or year; the answer holds the date
    on which the bucket starts. `tz` is the zone in which moments are put into buckets (None: the
    workspace's).
    """

    group: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = (Measure(fn="count"),)
    filter: str = ""
    tz: str | None = None


@dataclass(frozen=True, kw_only=True)
class BulkResult:
    """What a bulk call did: `ids[i]` is the id of the i-th record or None where it was refused.

    `changed[i]` says whether it was written (an update that changes nothing is not).
    """

    ids: Sequence[int | None]
    errors: Sequence[FieldError] = ()
    changed: Sequence[bool] = ()
