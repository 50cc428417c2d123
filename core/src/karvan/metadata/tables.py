"""The physical form of an object: its SQLAlchemy Core table, its indexes, its width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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


def field_columns(field: FieldType, dialect: Dialect) -> list[Column[object]]:
    """The columns of one field: its own, and its sort key's. A currency's code is a field of its own."""
    made: list[Column[object]] = [
        Column(field.column, Literal(field.kind.column_type(field.declaration, dialect)), nullable=True)
    ]
    if field.key_column:
        made.append(Column(field.key_column, Literal(KINDS["text"].column_type(field.declaration, dialect))))
    return made


def make_table(object_type: ObjectType, dialect: Dialect) -> Table:
    """The Core table of an object with all its columns."""
    moment = moment_type(dialect)
    big = BigInteger()
    first: Column[int] = (
        Column("id", Integer(), primary_key=True, autoincrement=True)
        if dialect == "sqlite"
        else Column("id", big, Identity(always=False), primary_key=True)
    )
    columns: list[Column[object]] = [
        first,  # type: ignore[list-item]  # Column is invariant; this list only hands columns on
        Column("version", Integer(), nullable=False, server_default=text("1")),
        Column("owner_id", big),
        Column("created_at", moment, nullable=False),
        Column("created_by", big),
        Column("updated_at", moment, nullable=False),
        Column("updated_by", big),
        Column("deleted_at", moment),
        Column("deleted_by", big),
    ]
    for field in object_type.own_fields.values():
        columns += field_columns(field, dialect)
    return Table(object_type.table, MetaData(), *columns, sqlite_autoincrement=True)


def table_indexes(object_type: ObjectType) -> list[TableIndex]:
    """All indexes that an object has: for its name, its lookups, what is unique or asks for one, and those
    it declares. The id and the owner stand behind every sort (DESIGN section 3)."""
    found: dict[str, TableIndex] = {}

    def add(*columns: str, unique: bool = False) -> None:
        whole = columns if unique else (*columns, *(c for c in ("id", "owner_id") if c not in columns))
        name = names.index_name(object_type.table, *whole, "unique" if unique else "")
        found[name] = TableIndex(name=name, table=object_type.table, columns=whole, unique=unique)

    add("created_at")
    add("updated_at")
    add("deleted_at")
    add("owner_id")
    for field in object_type.own_fields.values():
        declared = field.declaration
        if declared.unique:
            add(field.column, unique=True)
        if field.name == object_type.name_field or declared.indexed or field.kind.name == "lookup":
            add(_sort_column(field))
    for index in object_type.indexes:
        add(*(_sort_column(object_type.fields[n]) for n in index.fields))
    name_field = object_type.fields.get(object_type.name_field)
    if name_field is not None and not name_field.declaration.unique:
        add(name_field.column)  # imports and lookups find records by the exact name
    return list(found.values())


def width_of(fields: Iterable[FieldType]) -> tuple[int, int]:
    """The worst case of a row in bytes on PostgreSQL, and the number of columns."""
    width, columns = SYSTEM_WIDTH, 9
    for field in fields:
        width += field.kind.width * (2 if field.key_column else 1)
        columns += 2 if field.key_column else 1
    return width, columns


def _sort_column(field: FieldType) -> str:
    return field.key_column or field.column
