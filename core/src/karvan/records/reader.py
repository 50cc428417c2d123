"""Reading records for one actor: lists, single records, figures, related lists, history, trash, streams.

A list or a single record is read against the catalog and actor known to this worker, with a guard in the
text; where nothing comes back or a name is unknown, both are proved once and the reading is done again.
Everything else proves them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from karvan.access import policy
from karvan.access.actors import Actor
from karvan.access.guard import enter, guard
from karvan.database import Connection, Database
from karvan.database.drivers import GONE_ERRORS
from karvan.metadata.catalog import Catalog, ObjectType
from karvan.metadata.kinds import Dialect, moment_text
from karvan.metadata.store import Catalogs
from karvan.records.aggregate import plan_aggregate
from karvan.records.cursor import Position, decode_cursor, encode_cursor
from karvan.records.query import (
    COUNT_CAP,
    GetPlan,
    ListPlan,
    View,
    count_statement,
    plan_get,
    plan_list,
    plan_stream,
)
from karvan.records.shapes import LIMIT_MAX, AggregateQuery, CountKind, ListQuery, Page
from karvan_sdk.errors import BadInput, RecordNotFound, UnknownField, UnknownObject
from karvan_sdk.expressions import Environment

T = TypeVar("T")
PLANS_MAX = 2000
OUTDATED: tuple[type[Exception], ...] = (UnknownObject, UnknownField, BadInput, *GONE_ERRORS)
"""What may come of reading against a catalog that is no longer in force."""
RecordList = list[dict[str, Any]]
RowList = list[Any]
ALL = ListQuery()


class Plans:
    """Plans by shape. Shapes come from outside, so the store is bounded: when full it begins anew."""

    def __init__(self) -> None:
        self._plans: dict[tuple[Any, ...], Any] = {}

    def get(self, key: tuple[Any, ...], make: Callable[[], tuple[T, bool]]) -> T:
        """The plan under `key`, made by `make` if it is not there; `make` says whether it may be kept."""
        found: T | None = self._plans.get(key)
        if found is not None:
            return found
        plan, keep = make()
        if keep:
            if len(self._plans) >= PLANS_MAX:
                self._plans = {}
            self._plans[key] = plan
        return plan


class Reader:
    """What one actor may read; made by `Records.read`, or by a Writer for reads inside its transaction."""

    def __init__(
        self,
        *,
        actor: Actor,
        catalog: Catalog,
        database: Database,
        catalogs: Catalogs,
        plans: Plans,
        timezone: str,
        proved: bool = False,
    ) -> None:
        self.actor = actor
        self.catalog = catalog
        self._database = database
        self._catalogs = catalogs
        self._plans = plans
        self._timezone = timezone
        self._proved = proved
        self._now = datetime.now(UTC)

    @property
    def dialect(self) -> Dialect:
        """The engine of the database."""
        return self._database.dialect

    # -- lists and single records ----------------------------------------------------------------------

    def list(self, object: str, query: ListQuery = ALL) -> Page:
        """One page of records.

        Raises UnknownObject, UnknownField, BadInput or an expression error that names the input, and
        NotSignedIn when the actor's sign-in has ended.
        """
        return self._guarded(lambda: self._page(object, query), lambda page: bool(page.rows))

    def get(self, object: str, id: int, fields: tuple[str, ...] | None = None,
            expand: tuple[str, ...] = ()) -> dict[str, Any]:  # fmt: skip
        """One record; a missing and a hidden one are the same RecordNotFound."""
        query = ListQuery(fields=fields, expand=expand)
        found = self._guarded(lambda: self._one(object, id, query), lambda record: record is not None)
        if found is None:
            raise RecordNotFound(object=object, id=id)
        return found

    def related(self, object: str, id: int, relation: str, query: ListQuery = ALL) -> Page:
        """The records that point to this one through a relation."""
        self.prove()
        self.get(object, id, fields=("id",))
        found = self.catalog.object(object).relations.get(relation)
        if found is None:
            raise BadInput(f"'{object}' has no relation '{relation}'.", field="relation")
        return self._page(found.source, query, within={found.field: id})

    def trash(self, object: str, query: ListQuery = ALL) -> Page:
        """The records in the trash, last deleted first, with `deleted_at` and `deleted_by`."""
        self.prove()
        return self._page(object, query, trash=True)

    def stream(self, object: str, query: ListQuery = ALL, batch: int = 1000) -> Iterator[RecordList]:
        """All records of a list in batches, from one state of the database and in bounded memory."""
        self.prove()
        statement, read_row = plan_stream(self._view(), self.catalog.object(object), query)
        with self._database.snapshot() as connection:
            for rows in connection.stream(statement.text, statement.params, batch):
                yield [read_row(row) for row in rows]

    def aggregate(self, object: str, query: AggregateQuery) -> RecordList:
        """Figures per group."""
        self.prove()
        object_type = self.catalog.object(object)
        policy.check_may(self.actor, object_type, "read")
        plan = plan_aggregate(self._view(), object_type, query, self._timezone)
        with self._database.read() as connection:
            return plan.answer(connection.fetchall(plan.statement.text, plan.statement.params))

    def history(self, object: str, id: int, limit: int = 50, after: str | None = None) -> Page:
        """What happened to a record, newest first: who, when, from where, and old and new per field."""
        if not 1 <= limit <= LIMIT_MAX:
            raise BadInput(f"The limit must be from 1 to {LIMIT_MAX}, not {limit}.", field="limit")
        self.prove()
        object_type = self.catalog.object(object)
        order = f"history/{object}/{id}"
        position = decode_cursor(order, after, 1) if after else None
        with self._database.read() as connection:
            self._visible(connection, object_type, id)
            rows = self._history_rows(connection, object_type, id, limit, position)
        following = None
        if len(rows) > limit:
            rows = rows[:limit]
            following = encode_cursor(order, Position(empty=False, values=(rows[-1][0],)))
        return Page(rows=[self._history_entry(object_type, row) for row in rows], next=following)

    # -- inside ----------------------------------------------------------------------------------------

    def prove(self) -> bool:
        """Read sign-in and catalog version afresh; whether anything was not as this worker knew it."""
        if self._proved:
            return False
        before = (self.catalog.version, self.actor.perm_version)
        with self._database.read() as connection:
            self.actor, version = enter(connection, self.actor)
            self.catalog = self._catalogs.at(connection, version)
        self._proved = True
        return before != (self.catalog.version, self.actor.perm_version)

    def _guarded(self, read: Callable[[], T], proves: Callable[[T], bool]) -> T:
        try:
            found = read()
        except OUTDATED:
            if not self.prove():
                raise
            return read()
        if self._proved or proves(found):
            return found
        return read() if self.prove() else found

    def _view(self) -> View:
        return View(
            actor=self.actor,
            catalog=self.catalog,
            dialect=self._database.dialect,
            environment=Environment(
                now=self._now, timezone=self.actor.timezone or self._timezone, actor_id=self.actor.id
            ),
        )

    def _plan(
        self, object: str, query: ListQuery, *, trash: bool, within: Mapping[str, int] | None
    ) -> ListPlan:
        def make() -> tuple[ListPlan, bool]:
            plan = plan_list(self._view(), self.catalog.object(object), query, trash=trash, within=within)
            return plan, not plan.live and not within

        if query.limit > LIMIT_MAX or query.limit < 1:
            raise BadInput(f"The limit must be from 1 to {LIMIT_MAX}, not {query.limit}.", field="limit")
        key = (
            self.catalog.version,
            policy.reach(self),
            object,
            query.filter,
            query.sort,
            query.fields,
            query.expand,
            trash,
        )
        return make()[0] if within else self._plans.get(key, make)

    def _page(
        self,
        object: str,
        query: ListQuery,
        *,
        trash: bool = False,
        within: Mapping[str, int] | None = None,
    ) -> Page:
        plan = self._plan(object, query, trash=trash, within=within)
        position = plan.position(query.after) if query.after else None
        proof = guard(self.actor, self._database.dialect, self.catalog.version, self._now)
        wanted = query.limit + 1
        rows: RowList = []
        with self._database.read() as connection:
            if position is None or not position.empty:
                statement = plan.statement(empty=False, after=position, guard=proof, limit=wanted)
                rows = connection.fetchall(statement.text, statement.params)
            if len(rows) < wanted and plan.terms[0].nullable:
                behind = position if position is not None and position.empty else None
                statement = plan.statement(empty=True, after=behind, guard=proof, limit=wanted - len(rows))
                rows = [*rows, *connection.fetchall(statement.text, statement.params)]
            count, count_kind = self._count(connection, plan, query)
        following = None
        if len(rows) > query.limit:
            rows = rows[: query.limit]
            following = plan.cursor_of(rows[-1])
        read_row = plan.read_row
        return Page(rows=[read_row(row) for row in rows], next=following, count=count, count_kind=count_kind)

    def _count(
        self, connection: Connection, plan: ListPlan, query: ListQuery
    ) -> tuple[int | None, CountKind | None]:
        if query.count == "none":
            return None, None
        statement = count_statement(plan, cap=None if query.count == "exact" else COUNT_CAP)
        row = connection.fetchone(statement.text, statement.params)
        assert row is not None
        if query.count == "estimate" and row[0] > COUNT_CAP:
            return COUNT_CAP, "at_least"
        return row[0], "exact"

    def _one(self, object: str, id: int, query: ListQuery) -> dict[str, Any] | None:
        key = (
            self.catalog.version,
            policy.reach(self),
            object,
            "get",
            query.fields,
            query.expand,
        )

        def make() -> tuple[GetPlan, bool]:
            return plan_get(self._view(), self.catalog.object(object), query), True

        plan = self._plans.get(key, make)
        proof = guard(self.actor, self._database.dialect, self.catalog.version, self._now)
        params = (*plan.join_params, id, *plan.params, *proof.params)
        with self._database.read() as connection:
            row = connection.fetchone(f"{plan.text} AND {proof.text}", params)
        return None if row is None else plan.read_row(row)

    def _visible(self, connection: Connection, object_type: ObjectType, id: int) -> None:
        """Raise RecordNotFound unless the actor may read the record, in the trash or not."""
        predicate = policy.record_predicate(self, object_type, "read", "t")
        more = f" AND ({predicate.text})" if predicate else ""
        text = f'SELECT 1 FROM "{object_type.table}" t WHERE t.id = ?{more}'
        if connection.fetchone(text, (id, *(predicate.params if predicate else ()))) is None:
            raise RecordNotFound(object=object_type.name, id=id)

    def _history_rows(
        self,
        connection: Connection,
        object_type: ObjectType,
        id: int,
        limit: int,
        position: Position | None,
    ) -> RowList:
        more, params = "", [object_type.uid, id]
        if position is not None:
            if not isinstance(position.values[0], int):
                raise BadInput("The cursor in 'after' is damaged. Start without it.", field="after")
            more = " AND h.id < ?"
            params.append(position.values[0])
        text = (
            "SELECT h.id, h.event, h.at, h.actor_id, u.name, h.source, h.version, h.changes"
            " FROM k_history h LEFT JOIN k_user u ON u.id = h.actor_id"
            f" WHERE h.object = ? AND h.record_id = ?{more} ORDER BY h.id DESC LIMIT {limit + 1}"
        )
        return connection.fetchall(text, params)

    def _history_entry(self, object_type: ObjectType, row: Any) -> dict[str, Any]:
        by_uid = {
            f.uid: name
            for name, f in object_type.fields.items()
            if policy.may_see_field(self.actor, object_type, name)
        }
        changes = {
            by_uid[uid]: {"old": old, "new": new}
            for uid, (old, new) in orjson.loads(row[7]).items()
            if uid in by_uid
        }
        at = row[2]
        return {
            "id": row[0],
            "event": row[1],
            "at": at if isinstance(at, str) else moment_text(at),
            "actor": None if row[3] is None else {"id": row[3], "name": row[4]},
            "source": row[5],
            "version": row[6],
            "changes": changes,
        }
