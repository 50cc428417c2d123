"""Records by their ids, and the Python values in them: the only module that knows the JSON form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from karvan_sdk import Records

T = TypeVar("T")
CHUNK = 150
"""How many ids stand in one filter: an expression has at most 200 values in a list and 400 parts."""


def in_chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The values in pieces that fit a filter."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def one_of(field: str, ids: Iterable[int]) -> str:
    """The filter that a field holds one of these ids (at least one)."""
    return f"{field} in ({', '.join(str(int(i)) for i in ids)})"


def read_by_id(
    records: Records, object: str, ids: Iterable[int | None], fields: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """The records with these ids that there are and that may be seen; one query per 150 of them."""
    for chunk in in_chunks(sorted({i for i in ids if i is not None})):
        yield from records.each(object, filter=one_of("id", chunk), fields=fields)


def to_decimal(value: Any) -> Decimal | None:
    """An amount or number; None when empty."""
    return None if value is None else Decimal(str(value))


def to_date(value: Any) -> date | None:
    """A date; None when empty."""
    return None if value is None else date.fromisoformat(value)


def to_moment(value: Any) -> datetime | None:
    """An aware moment; None when empty."""
    return None if value is None else datetime.fromisoformat(value)


def to_id(value: Any) -> int | None:
    """The id in a lookup, whether it is expanded or not; None when empty."""
    found = value["id"] if isinstance(value, Mapping) else value
    return None if found is None else int(found)
