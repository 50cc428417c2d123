"""What writing needs to know of one object, made once per catalog version: check, rules, texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from karvan.events import outbox
from karvan.metadata.catalog import GAP, Catalog, FieldType, ObjectType
from karvan.metadata.checks import Check, make_check
from karvan.metadata.kinds import Convert, Dialect, python_to_json
from karvan.metadata.scope import CatalogScope
from karvan.metadata.textkeys import sort_key
from karvan.records.rows import RowToRecord, python_reader
from karvan_sdk.errors import FieldError
from karvan_sdk.expressions import RULE, Condition, Environment, compile_condition
from karvan_sdk.objects import Rule

HISTORY_COLUMNS = ("object", "record_id", "event", "at", "actor_id", "source", "version", "changes")


@dataclass(frozen=True, kw_only=True)
class CheckedRule:
    """A validation rule with its compiled condition."""

    rule: Rule
    condition: Condition

    def finding(self, language: str) -> FieldError:
        """The error of a record that breaks the rule."""
        return FieldError(
            field=self.rule.field,
            code="rule",
            template="{message}",
            params={"message": self.rule.message(language) or self.rule.name, "rule": self.rule.name},
        )


@dataclass(frozen=True, kw_only=True)
class Child:
    """A lookup elsewhere that points to this object, and what its record's deletion does there."""

    object_type: ObjectType
    field: FieldType


@dataclass(kw_only=True)
class WriteModel:
    """Everything about writing one object. Texts are made at their first use and kept."""

    catalog: Catalog
    object_type: ObjectType
    dialect: Dialect
    _inserts: dict[tuple[str, ...], str] = field(default_factory=dict)
    _updates: dict[tuple[str, ...], str] = field(default_factory=dict)

    @cached_property
    def check(self) -> Check:
        """The check of values."""
        return make_check(self.object_type)

    @cached_property
    def rules(self) -> tuple[CheckedRule, ...]:
        """The validation rules, typed against the catalog as the system sees it."""
        scope = CatalogScope(catalog=self.catalog, object_type=self.object_type)
        return tuple(
            CheckedRule(rule=r, condition=compile_condition(r.condition, scope, RULE))
            for r in self.object_type.declaration.rules
        )

    @cached_property
    def lookups(self) -> Mapping[str, ObjectType]:
        """The lookup fields whose target is in force, with that target."""
        return {
            name: self.catalog.objects[f.declaration.target or ""]
            for name, f in self.object_type.fields.items()
            if f.kind.name == "lookup" and f.declaration.target in self.catalog.objects
        }

    @cached_property
    def far_fields(self) -> Mapping[str, tuple[str, ...]]:
        """Fields of looked-up records that rules read, by lookup."""
        found: dict[str, dict[str, None]] = {}
        for checked in self.rules:
            for path in checked.condition.paths:
                if len(path) == 2:
                    found.setdefault(path[0], {})[path[1]] = None
        return {name: tuple(fields) for name, fields in found.items()}

    @cached_property
    def children(self) -> tuple[Child, ...]:
        """The lookups that point here."""
        return tuple(
            Child(object_type=o, field=f)
            for o in self.catalog.objects.values()
            for f in o.fields.values()
            if f.kind.name == "lookup" and f.declaration.target == self.object_type.name
        )

    @cached_property
    def unique_fields(self) -> tuple[FieldType, ...]:
        """The fields whose values may stand in one record only."""
        return tuple(f for f in self.object_type.own_fields.values() if f.declaration.unique)

    @cached_property
    def stores(self) -> Mapping[str, tuple[str, Convert | None, str | None]]:
        """By field: its column, what takes Python to the engine, and its key column."""
        return {
            name: (f.column, f.kind.store(f.declaration, self.dialect), f.key_column)
            for name, f in self.object_type.fields.items()
        }

    @cached_property
    def read_python(self) -> RowToRecord:
        """Rows of `select_columns` to Python form."""
        return python_reader(self.object_type.fields, self.dialect)

    @cached_property
    def select_columns(self) -> str:
        """The columns of all fields, as a SELECT list over `t`."""
        return ", ".join(f't."{f.column}"' for f in self.object_type.fields.values())

    @cached_property
    def empty(self) -> Mapping[str, None]:
        """A record in which everything is empty."""
        return dict.fromkeys(self.object_type.fields)

    def columns_of(self, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        """Columns and engine values for Python values, sort keys included."""
        columns: list[str] = []
        stored: list[Any] = []
        for name, value in values.items():
            column, store, key = self.stores[name]
            columns.append(column)
            stored.append(value if value is None or store is None else store(value))
            if key:
                columns.append(key)
                stored.append(None if value is None else sort_key(value))
        return columns, stored

    def json_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON form of a whole record given in Python form."""
        found: dict[str, Any] = {}
        get = values.get
        for name, f in self.object_type.fields.items():
            value = get(name)
            found[name] = (
                value
                if value is None or value.__class__ is str or value.__class__ is int
                else python_to_json(f.kind, f.declaration, value)
            )
        return found

    def compose_name(self, values: Mapping[str, Any], label: Callable[[str, int], str | None]) -> str | None:
        """The name that `name_template` gives, or None where all its parts are empty.

        `label` gives the name of a looked-up record. An empty part takes the separator before it along.
        """
        template = self.object_type.declaration.name_template
        text, at = "", 0
        for gap in GAP.finditer(template):
            separator, at = template[at : gap.start()], gap.end()
            value = values.get(gap[1])
            if value is not None and gap[1] in self.lookups:
                value = label(gap[1], value)
            if value is None:
                continue
            found = self.object_type.fields.get(gap[1])
            shown = str(python_to_json(found.kind, found.declaration, value)) if found else str(value)
            text += (separator if text else separator.lstrip(" –-/,:·")) + shown
        return (text + template[at:]).strip()[:255] or None if text else None

    def insert_text(self, columns: Sequence[str]) -> str:
        """Insert one record with its history and outbox rows; the id comes back.

        PostgreSQL does all three in one round trip; on SQLite the caller runs `HISTORY_INSERT` and
        `outbox.INSERT` behind it.
        """
        key = tuple(columns)
        text = self._inserts.get(key)
        if text is None:
            names = ", ".join(f'"{c}"' for c in columns)
            marks = ", ".join("?" * len(columns))
            text = f'INSERT INTO "{self.object_type.table}" ({names}) VALUES ({marks})'
            if self.dialect == "postgresql":
                text = (
                    f"WITH made AS ({text} RETURNING id), told AS ("
                    f"INSERT INTO k_history ({', '.join(HISTORY_COLUMNS)})"
                    " SELECT ?::text, id, ?::text, ?::timestamptz, ?::bigint, ?::text, ?::int, ?::text"
                    " FROM made)"
                    f" INSERT INTO k_outbox ({', '.join(outbox.COLUMNS)})"
                    " SELECT ?::timestamptz, ?::text, ?::text, id, ?::bigint, ?::text, ?::text FROM made"
                    " RETURNING record_id"
                )
            self._inserts[key] = text
        return text

    def update_text(self, columns: Sequence[str]) -> str:
        """Change one record: the values, then moment, actor, id and version."""
        key = tuple(columns)
        text = self._updates.get(key)
        if text is None:
            sets = "".join(f'"{c}" = ?, ' for c in columns)
            text = (
                f'UPDATE "{self.object_type.table}" SET {sets}version = version + 1, updated_at = ?,'
                " updated_by = ? WHERE id = ? AND version = ?"
            )
            self._updates[key] = text
        return text

    def broken_rules(self, values: Mapping[str, Any], environment: Environment) -> list[CheckedRule]:
        """The rules that a record in Python form (far fields as `lookup.field`) breaks."""
        return [r for r in self.rules if not r.condition.test(values, environment)]


HISTORY_INSERT = f"INSERT INTO k_history ({', '.join(HISTORY_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
