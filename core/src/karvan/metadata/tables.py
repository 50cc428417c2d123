"""The physical form of an object: its SQLAlchemy Core table, its indexes, its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table, text
from sqlalchemy.types import TypeEngine, UserDefinedType

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.metadata.kinds import KINDS, Dialect
from karvan_sdk import names

WIDTH_MAX = 6_000
COLUMNS_MAX = 800
SYSTEM_WIDTH = 9 * 8


class Literal(UserDefinedType[str]):
    """A column type given by its text in DDL."""

    cache_ok = True

    def __init__(self, ddl: str) -> None:
        self.ddl = ddl

    def get_col_spec(self, **kw: object) -> str:
        return self.ddl


@dataclass(frozen=True, kw_only=True)
class TableIndex:
    """An index to be: its physical name, columns in order, and whether it keeps values unique."""

    name: str
    table: str
    columns: tuple[str, ...]
    unique: bool = False

    @property
    def where(self) -> str | None:
        """The condition of a partial index: uniqueness holds among records not in the trash."""
        return "deleted_at IS NULL" if self.unique else None


def moment_type(dialect: Dialect) -> TypeEngine[str]:
    """The type of a moment's column."""
    return Literal("TEXT" if dialect == "sqlite" else "timestamptz")


def field_columns(field: FieldType, dialect: Dialect) -> list[Column[Any]]:
    """The columns of one field: its own, and its sort key's. A currency's code is a field of its own."""
    made: list[Column[Any]] = [
        Column(field.column, Literal(field.kind.column_type(field.declaration, dialect)), nullable=True)
    ]
    if field.key_column:
        made.append(Column(field.key_column, Literal(KINDS["text"].column_type(field.declaration, dialect))))
    return made


def system_columns(dialect: Dialect) -> list[Column[Any]]:
    """The columns that every record table has."""
    moment = moment_type(dialect)
    big = BigInteger()
    first: Column[Any] = (
        Column("id", Integer(), primary_key=True, autoincrement=True)
        if dialect == "sqlite"
        else Column("id", big, Identity(always=False), primary_key=True)
    )
    return [
        first,
        Column("version", Integer(), nullable=False, server_default=text("1")),
        Column("owner_id", big),
        Column("created_at", moment, nullable=False),
        Column("created_by", big),
        Column("updated_at", moment, nullable=False),
        Column("updated_by", big),
        Column("deleted_at", moment),
        Column("deleted_by", big),
    ]


def make_table(object_type: ObjectType, dialect: Dialect) -> Table:
    """The Core table of an object with all its columns."""
    columns = system_columns(dialect)
    for field in object_type.own_fields.values():
        columns += field_columns(field, dialect)
    return Table(object_type.table, MetaData(), *columns, sqlite_autoincrement=True)


def table_indexes(object_type: ObjectType) -> list[TableIndex]:
    """All indexes that an object has: for its name, its lookups, what is unique or asks for one, and those
    it declares. The id and the owner stand behind every sort (DESIGN section 3)."""
    table = object_type.table
    found = [_index(table, (c,)) for c in ("created_at", "updated_at", "deleted_at", "owner_id")]
    for field in object_type.own_fields.values():
        declared = field.declaration
        if declared.unique:
            found.append(_unique_index(table, field.column))
        if field.name == object_type.name_field or declared.indexed or field.kind.name == "lookup":
            found.append(_index(table, (_sort_column(field),)))
    found += [declared_index(object_type, i.fields) for i in object_type.indexes]
    name_field = object_type.fields.get(object_type.name_field)
    if name_field is not None and not name_field.declaration.unique:
        found.append(
            _index(table, (name_field.column,))
        )  # imports and lookups find records by the exact name
    return list({i.name: i for i in found}.values())


def declared_index(object_type: ObjectType, fields: Iterable[str]) -> TableIndex:
    """The index that a declaration over these fields (API names) gives."""
    return _index(object_type.table, [_sort_column(object_type.fields[n]) for n in fields])


def _index(table: str, columns: Sequence[str]) -> TableIndex:
    whole = (*columns, *(c for c in ("id", "owner_id") if c not in columns))
    return TableIndex(name=names.index_name(table, *whole), table=table, columns=whole)


def _unique_index(table: str, column: str) -> TableIndex:
    return TableIndex(
        name=names.index_name(table, column, "unique"), table=table, columns=(column,), unique=True
    )


def width_of(fields: Iterable[FieldType]) -> tuple[int, int]:
    """The worst case of a row in bytes on PostgreSQL, and the number of columns."""
    width, columns = SYSTEM_WIDTH, 9
    for field in fields:
        width += field.kind.width * (2 if field.key_column else 1)
        columns += 2 if field.key_column else 1
    return width, columns


def _sort_column(field: FieldType) -> str:
    return field.key_column or field.column
