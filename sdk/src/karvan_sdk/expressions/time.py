"""Days, months and zones: the Gregorian years 1 to 9999, local days of a zone, and the relative periods.

A local day begins at its first instant. `local_date(x)` is the last day whose start is not after x; so
where a clock is put back over midnight the repeated hour stays with the new day, and bounds and values
always agree. The same table of changes is given to PostgreSQL.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
SPAN_MAX = 10**18
UNIT_MICROSECONDS: Mapping[str, int] = MappingProxyType(
    {"second": SECOND, "minute": 60 * SECOND, "hour": HOUR, "day": DAY, "week": 7 * DAY}
)
UNIT_MONTHS: Mapping[str, int] = MappingProxyType({"month": 1, "quarter": 3, "year": 12})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
LAST_DAY = date.max.toordinal()
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970 in UTC."""
    return (moment - EPOCH) // _MICROSECOND


def moment_text(moment: datetime) -> str:
    """The fixed-width text `2026-03-31T10:00:00.000000Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def add_days(day: date, count: int) -> date | None:
    """The day `count` days later, None outside the years 1 to 9999."""
    ordinal = day.toordinal() + count
    return date.fromordinal(ordinal) if 1 <= ordinal <= LAST_DAY else None


def add_months(day: date, count: int) -> date | None:
    """The same day `count` months later, or that month's last."""
    total = day.year * 12 + day.month - 1 + count
    if not 12 <= total < 120_000:
        return None
    year, month = total // 12, total % 12 + 1
    return date(year, month, min(day.day, days_in_month(year, month)))


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def add_span(moment: datetime, span: int) -> datetime | None:
    """The moment `span` microseconds later; a day is 24 hours."""
    if abs(span) > SPAN_MAX:
        return None
    try:
        return moment + timedelta(microseconds=span)
    except OverflowError:
        return None


@dataclass(frozen=True, kw_only=True)
class Zone:
    """The changes of a zone's offset, in microseconds: `offsets[i]` holds before `changes[i]`."""

    changes: tuple[int, ...]
    offsets: tuple[int, ...]

    def ordinal(self, at: int) -> int:
        """The local day (its ordinal, kept within the calendar) of a moment in microseconds."""
        local = at + self.offsets[bisect_right(self.changes, at)]
        return min(max(local // DAY + EPOCH_DAY, 1), LAST_DAY)

    def start(self, ordinal: int) -> int:
        """The first instant of a local day in microseconds."""
        midnight = (ordinal - EPOCH_DAY) * DAY
        i = bisect_right(self.changes, midnight - 2 * DAY)
        while True:
            at = midnight - self.offsets[i]
            if i == len(self.changes) or at < self.changes[i]:
                return max(at, self.changes[i - 1]) if i else at
            i += 1


@lru_cache(maxsize=64)
def zone(name: str) -> Zone:
    """The zone of this name; an unknown name is UTC (settings check names when they are entered)."""
    try:
        info = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        info = ZoneInfo("UTC")
    return _read_zone(info)


def _read_zone(info: ZoneInfo) -> Zone:
    def offset(at: datetime) -> int:
        found = at.astimezone(info).utcoffset()
        return found // _MICROSECOND if found else 0

    step, at = timedelta(days=7), datetime(1840, 1, 1, tzinfo=UTC)
    end = datetime(2101, 1, 1, tzinfo=UTC)
    changes, offsets = [], [offset(at)]
    while at < end:
        following = at + step
        after = offset(following)
        if after != offsets[-1]:
            low, high = at, following
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if offset(middle) == offsets[-1]:
                    low = middle
                else:
                    high = middle
            changes.append(_delayed(microseconds(high), offsets[-1], after))
            offsets.append(after)
        at = following
    return Zone(changes=tuple(changes), offsets=tuple(offsets))


def _delayed(change: int, before: int, after: int) -> int:
    """A change back over midnight counts for days only from the midnight that comes again."""
    last, following = (change - 1 + before) // DAY, (change + after) // DAY
    return change if following >= last else last * DAY - after


def local_date(moment: datetime, zone_name: str) -> date:
    """The local day of a moment."""
    return date.fromordinal(zone(zone_name).ordinal(microseconds(moment)))


def day_start(day: date, zone_name: str) -> int | None:
    """The first instant of a local day in microseconds; None for the first day: it has no beginning."""
    ordinal = day.toordinal()
    return None if ordinal == 1 else zone(zone_name).start(ordinal)


def period(name: str, count: int, today: date, week_start: int) -> tuple[date | None, date | None]:
    """The first day of a period and the first day behind it; None where that is outside the calendar."""
    if name == "last_days":
        return (None, None) if count < 1 else (add_days(today, 1 - count) or date.min, add_days(today, 1))
    if name == "next_days":
        return (None, None) if count < 1 else (add_days(today, 1), add_days(today, count + 1))
    which, unit = name.split("_")
    shift = {"last": -1, "this": 0, "next": 1}[which]
    if unit in ("day", "week"):
        length = 1 if unit == "day" else 7
        back = 0 if unit == "day" else (today.weekday() - week_start) % 7
        first = add_days(today, shift * length - back)
        return first, add_days(today, (shift + 1) * length - back)
    months = UNIT_MONTHS[unit]
    month = (today.month - 1) // months * months + 1
    start = date(today.year, month, 1)
    return add_months(start, shift * months), add_months(start, (shift + 1) * months)
