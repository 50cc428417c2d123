"""Records as plugin code gets them: the reader and the writer of an actor behind the sdk's protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast, get_args

from karvan.records.reader import Reader
from karvan.records.shapes import LIMIT_MAX, AggregateQuery, ListQuery, Measure, MeasureFn
from karvan.records.writer import Writer
from karvan_sdk.actions import Listed
from karvan_sdk.errors import BadInput, NotAllowed, ValidationFailed
from karvan_sdk.protocols import Row

MEASURES = get_args(MeasureFn)
Names = Sequence[str]


class Portal:
    """Implements `karvan_sdk.Records`. `read` gives the reader to ask, `write` opens a transaction; without
    `write` nothing can be changed and `why` says why not."""

    def __init__(
        self,
        read: Callable[[], Reader],
        write: Callable[[], AbstractContextManager[Writer]] | None = None,
        *,
        why: str = "",
    ) -> None:
        self._read = read
        self._write = write
        self._why = why

    def get(self, object: str, id: int, *, fields: Names | None = None, expand: Names = ()) -> Row:
        """One record (see the sdk's protocol)."""
        return self._read().get(object, id, fields=_tuple(fields), expand=tuple(expand))

    def list(
        self,
        object: str,
        *,
        filter: str = "",
        sort: Names = (),
        fields: Names | None = None,
        expand: Names = (),
        limit: int = 50,
        after: str | None = None,
    ) -> Listed:
        """One page of records (see the sdk's protocol)."""
        query = ListQuery(
            filter=filter,
            sort=tuple(sort),
            fields=_tuple(fields),
            expand=tuple(expand),
            limit=limit,
            after=after,
        )
        page = self._read().list(object, query)
        return Listed(rows=page.rows, next=page.next)

    def aggregate(
        self, object: str, *, measures: Names, group: Names = (), filter: str = ""
    ) -> Sequence[Row]:
        """Figures per group (see the sdk's protocol)."""
        query = AggregateQuery(
            group=tuple(group), measures=tuple(_measure(m) for m in measures), filter=filter
        )
        return self._read().aggregate(object, query)

    def each(
        self, object: str, *, filter: str = "", fields: Names | None = None, sort: Names = ()
    ) -> Iterator[Row]:
        """All records, page by page (see the sdk's protocol)."""
        after: str | None = None
        while True:
            page = self.list(
                object, filter=filter, fields=fields, sort=sort or ("id",), limit=LIMIT_MAX, after=after
            )
            yield from (dict(row) for row in page.rows)
            after = page.next
            if after is None:
                return

    @contextmanager
    def write(self) -> Iterator[PortalWriter]:
        """One transaction of changes (see the sdk's protocol)."""
        if self._write is None:
            raise NotAllowed(action="change", object="records", reason=self._why)
        with self._write() as writer:
            yield PortalWriter(writer)


class PortalWriter:
    """Implements `karvan_sdk.RecordWriter` over a Writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.records = Portal(lambda: writer.reader, why="a transaction is under way already.")

    def create(self, object: str, values: Mapping[str, Any]) -> Row:
        """Create a record."""
        return self._writer.create(object, values)

    def update(self, object: str, id: int, values: Mapping[str, Any], version: int | None = None) -> Row:
        """Change a record."""
        return self._writer.update(object, id, values, version)

    def delete(self, object: str, id: int, version: int | None = None) -> None:
        """Put a record into the trash."""
        self._writer.delete(object, id, version)

    def create_many(self, object: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Create many records, all or none."""
        result = self._writer.create_many(object, rows, partial=False)
        if result.errors:
            raise ValidationFailed(result.errors)
        return cast(Sequence[int], result.ids)

    def update_many(self, object: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change many records, all or none."""
        result = self._writer.update_many(object, rows, partial=False)
        if result.errors:
            raise ValidationFailed(result.errors)


def _tuple(names: Names | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _measure(text: str) -> Measure:
    fn, colon, field = text.partition(":")
    if fn not in MEASURES or bool(colon) != (fn != "count"):
        raise BadInput(f"'{text}' is no measure: write count, or sum:<field> and the like.", field="measures")
    return Measure(fn=cast(MeasureFn, fn), field=field or None)
