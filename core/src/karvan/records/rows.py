"""From a row of the engine to a record in JSON or Python form, by a function generated once per shape.

Only catalog names and places in the row enter the generated source, both through `repr`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from karvan.metadata.catalog import FieldType
from karvan.metadata.kinds import Convert, Dialect

RowToRecord = Callable[[Sequence[Any]], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Plain:
    """One value of the row under one name, converted unless it is empty."""

    name: str
    place: int
    convert: Convert | None = None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An expanded lookup: `{"id": …, "name": …}`, or None where the join found nothing."""

    name: str
    id_place: int
    name_place: int


def make_reader(items: Sequence[Plain | Reference]) -> RowToRecord:
    """The function that makes a record of a row."""
    scope: dict[str, Any] = {}
    parts: list[str] = []
    for number, item in enumerate(items):
        if isinstance(item, Reference):
            parts.append(
                f"{item.name!r}: None if r[{item.id_place}] is None"
                f' else {{"id": r[{item.id_place}], "name": r[{item.name_place}]}}'
            )
        elif item.convert is None:
            parts.append(f"{item.name!r}: r[{item.place}]")
        else:
            scope[f"c{number}"] = item.convert
            parts.append(f"{item.name!r}: None if r[{item.place}] is None else c{number}(r[{item.place}])")
    source = "lambda r: {" + ", ".join(parts) + "}"
    made: RowToRecord = eval(source, {"__builtins__": {}, **scope})  # noqa: S307 - names and places only, see above
    return made


def json_reader(fields: Mapping[str, FieldType], dialect: Dialect) -> RowToRecord:
    """Rows of exactly these fields' columns, in order, to JSON form."""
    return make_reader(
        [
            Plain(name=n, place=i, convert=f.kind.show(f.declaration, dialect))
            for i, (n, f) in enumerate(fields.items())
        ]
    )


def python_reader(fields: Mapping[str, FieldType], dialect: Dialect) -> RowToRecord:
    """Rows of exactly these fields' columns, in order, to Python form."""
    return make_reader(
        [
            Plain(name=n, place=i, convert=f.kind.revive(f.declaration, dialect))
            for i, (n, f) in enumerate(fields.items())
        ]
    )
