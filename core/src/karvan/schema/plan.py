"""The difference of two sets of metadata rows as data: pure, shown before it is applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from karvan.metadata.catalog import Definition, ObjectType, build_catalog
from karvan.metadata.kinds import Dialect
from karvan.metadata.tables import TableIndex, field_columns, table_indexes


@dataclass(frozen=True, kw_only=True)
class ColumnSpec:
    """A column to be: its name and its type in DDL. All columns of fields may be empty."""

    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class CreateTable:
    """Make the table of an object, with the system columns and without any field."""

    action: ClassVar[str] = "create_table"
    owner: str
    uid: str
    table: str

    @property
    def physical(self) -> str:
        """What the ledger calls it."""
        return self.table


@dataclass(frozen=True, kw_only=True)
class AddColumn:
    """Add the columns of one field: its own first, then its sort key and its currency code."""

    action: ClassVar[str] = "add_column"
    owner: str
    uid: str
    table: str
    columns: tuple[ColumnSpec, ...]

    @property
    def physical(self) -> str:
        """What the ledger calls it."""
        return f"{self.table}.{self.columns[0].name}"


@dataclass(frozen=True, kw_only=True)
class CreateIndex:
    """Build an index; `where` is the condition of a partial one."""

    action: ClassVar[str] = "create_index"
    owner: str
    uid: str
    index: TableIndex

    @property
    def table(self) -> str:
        """The table that gets the index."""
        return self.index.table

    @property
    def physical(self) -> str:
        """What the ledger calls it."""
        return self.index.name


@dataclass(frozen=True, kw_only=True)
class DropIndex:
    """Drop an index that nothing asks for any longer; no data goes with it."""

    action: ClassVar[str] = "drop_index"
    owner: str
    uid: str
    index: TableIndex

    @property
    def table(self) -> str:
        """The table that loses the index."""
        return self.index.table

    @property
    def physical(self) -> str:
        """What the ledger calls it."""
        return self.index.name


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A change of metadata only: `action` is define, detach, reattach, change or forget; no DDL.

    A detached thing leaves the catalog and keeps its table or column; a reattached one comes back with
    its data.
    """

    action: str
    owner: str
    uid: str
    kind: str
    physical: str
    table: str = ""
    changes: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class DropTable:
    """Purge the table of a detached object. Only a purge plans it, and only through the drop guard."""

    action: ClassVar[str] = "drop_table"
    owner: str
    uid: str
    table: str

    @property
    def physical(self) -> str:
        """What the ledger calls it."""
        return self.table


@dataclass(frozen=True, kw_only=True)
class DropColumn:
    """Purge the columns of a detached field. Only a purge plans it, and only through the drop guard."""

    action: ClassVar[str] = "drop_column"
    owner: str
    uid: str
    table: str
    columns: tuple[str, ...]

    @property
    def physical(self) -> str:
        """What the ledger calls it."""
        return f"{self.table}.{self.columns[0]}"


Step = CreateTable | AddColumn | CreateIndex | DropIndex | Mark | DropTable | DropColumn


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps from one state of the schema to another, in the order in which they are taken."""

    steps: tuple[Step, ...] = ()

    def as_json(self) -> list[dict[str, Any]]:
        """The plan as plain data, one mapping per step."""
        return [{"action": step.action, "physical": step.physical, **describe(step)} for step in self.steps]


def describe(step: Step) -> dict[str, Any]:
    """The values of a step as plain data."""
    return {k: v for k, v in asdict(step).items() if v not in (None, "")}


Rows = Mapping[str, Definition]


def plan_changes(old: Iterable[Definition], new: Iterable[Definition], dialect: Dialect) -> Plan:
    """The steps that lead from the rows `old` to the rows `new`.

    Rows that vanish altogether (a purge) are dropped with their table or columns; all others keep them,
    detached or not.
    """
    before, after = _by_uid(old), _by_uid(new)
    made = _Physical.of(after, dialect)
    was = _Physical.of(before, dialect)
    return Plan(
        steps=(
            *_drop_indexes(was, made),
            *_drops(before, after, dialect),
            *_creates(before, after, dialect),
            *_create_indexes(was, made),
            *_marks(before, after),
        )
    )


def whole_object(head: Definition, parts: Iterable[Definition], *, detached: bool = False) -> ObjectType:
    """The object of one head row as if it were in force; with `detached`, its detached parts too."""
    rows = [replace(head, detached=False)]
    rows += [replace(p, detached=False) if detached else p for p in parts]
    (made,) = build_catalog(0, rows).objects.values()
    return made


def parts_of(rows: Rows, head: Definition) -> list[Definition]:
    """The rows that belong to an object."""
    return [r for r in rows.values() if r.parent == head.uid]


def field_specs(rows: Rows, field: Definition, dialect: Dialect) -> tuple[ColumnSpec, ...]:
    """All columns of one field row, its own first."""
    made = whole_object(rows[field.parent], [field], detached=True)
    return tuple(
        ColumnSpec(name=str(column.name), type=column.type.compile())
        for part in made.own_fields.values()
        for column in field_columns(part, dialect)
    )


def _by_uid(rows: Iterable[Definition]) -> Rows:
    return {r.uid: r for r in rows}


@dataclass(frozen=True, kw_only=True)
class _Physical:
    """The indexes of all tables by name, each with the row that owns its table."""

    indexes: Mapping[str, tuple[Definition, TableIndex]]

    @classmethod
    def of(cls, rows: Rows, dialect: Dialect) -> _Physical:
        parts: dict[str, list[Definition]] = {}
        for row in rows.values():
            parts.setdefault(row.parent, []).append(row)
        found: dict[str, tuple[Definition, TableIndex]] = {}
        for head in rows.values():
            if head.kind == "object":
                for index in table_indexes(whole_object(head, parts.get(head.uid, []))):
                    found[index.name] = (head, index)
        return cls(indexes=found)


def _drop_indexes(was: _Physical, made: _Physical) -> Iterable[Step]:
    for name, (head, index) in was.indexes.items():
        if name not in made.indexes:
            yield DropIndex(owner=head.owner, uid=head.uid, index=index)


def _create_indexes(was: _Physical, made: _Physical) -> Iterable[Step]:
    for name, (head, index) in made.indexes.items():
        if name not in was.indexes:
            yield CreateIndex(owner=head.owner, uid=head.uid, index=index)


def _drops(before: Rows, after: Rows, dialect: Dialect) -> Iterable[Step]:
    for uid, row in before.items():
        if uid in after:
            continue
        if row.kind == "object":
            yield DropTable(owner=row.owner, uid=uid, table=row.physical)
        elif row.kind == "field" and row.parent in after:
            yield DropColumn(
                owner=row.owner,
                uid=uid,
                table=before[row.parent].physical,
                columns=tuple(c.name for c in field_specs(before, row, dialect)),
            )


def _creates(before: Rows, after: Rows, dialect: Dialect) -> Iterable[Step]:
    added = [r for uid, r in after.items() if uid not in before]
    for row in added:
        if row.kind == "object":
            yield CreateTable(owner=row.owner, uid=row.uid, table=row.physical)
    for row in sorted((r for r in added if r.kind == "field"), key=lambda r: (r.parent, r.position)):
        yield AddColumn(
            owner=row.owner,
            uid=row.uid,
            table=after[row.parent].physical,
            columns=field_specs(after, row, dialect),
        )


def _marks(before: Rows, after: Rows) -> Iterable[Step]:
    for uid, row in before.items():
        if uid not in after:
            yield _mark("forget", row, before)
    for uid, row in after.items():
        old = before.get(uid)
        if old is None:
            yield _mark("define", row, after)
        elif old.detached != row.detached:
            yield _mark("detach" if row.detached else "reattach", row, after)
        if old is not None and old.effective != row.effective:
            yield _mark("change", row, after, _changed(old.effective, row.effective))


def _mark(action: str, row: Definition, rows: Rows, changes: Mapping[str, Any] | None = None) -> Mark:
    table = row.physical if row.kind == "object" else rows[row.parent].physical
    physical = f"{table}.{row.physical}" if row.kind == "field" else row.physical
    return Mark(
        action=action,
        owner=row.owner,
        uid=row.uid,
        kind=row.kind,
        physical=physical,
        table=table,
        changes=changes,
    )


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    keys = [*old, *(k for k in new if k not in old)]
    return {k: [old.get(k), new.get(k)] for k in keys if old.get(k) != new.get(k)}
