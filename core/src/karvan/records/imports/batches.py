"""From rows to records, a batch at a time: cells to values, names to ids, found records to updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.metadata.kinds import Wrong, python_to_json
from karvan.records.imports.folding import fold_name
from karvan.records.imports.lookups import (
    TEXT_ROOM,
    Gaps,
    Names,
    People,
    choices,
    chunks,
    literal,
    nearest,
    one_of,
)
from karvan.records.imports.options import OnMissing
from karvan.records.imports.prepare import Fill
from karvan.records.imports.reading import Row
from karvan.records.imports.values import parser_of, read_number, unquote_formula
from karvan.records.reader import Reader
from karvan.records.shapes import BulkResult, ListQuery
from karvan.records.writer import Writer
from karvan_sdk.errors import FieldError

Outcome = Literal["created", "updated", "unchanged", "failed"]
Key = tuple[Any, ...]
MEMORY_MAX = 100_000
"""So many different cells of one column are remembered with their values."""


@dataclass(kw_only=True)
class Item:
    """One row on its way. `named` are its cells that name a record or a person, `later` those that wait."""

    row: Row
    values: dict[str, Any] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    later: dict[str, str] = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)
    id: int | None = None
    outcome: Outcome = "failed"


@dataclass(kw_only=True)
class Cells:
    """The way of each column's cells into values; equal cells are parsed once."""

    fills: Sequence[Fill]
    gaps: Gaps
    on_missing: OnMissing
    _memory: list[dict[str, Any]] = field(init=False)
    _readers: list[Callable[[str], Any]] = field(init=False)
    _companions: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._memory = [{} for _ in self.fills]
        self._readers = [self._reader(f) for f in self.fills]
        filled = {f.field.name for f in self.fills}
        self._companions = {
            f.field.name: f"{f.field.name}_currency"
            for f in self.fills
            if f.field.kind.name == "currency" and f"{f.field.name}_currency" not in filled
        }

    def read(self, row: Row) -> Item:
        """The values of a row; empty cells are left out, so that they never empty a field."""
        item = Item(row=row)
        for fill, read, memory in zip(self.fills, self._readers, self._memory, strict=True):
            cell = row.cells[fill.position]
            if not cell or not cell.strip():
                continue
            value = memory.get(cell)
            if value is None:
                try:
                    value = read(cell)
                except Wrong as exc:
                    value = exc
                if len(memory) < MEMORY_MAX:
                    memory[cell] = value
            self._put(item, fill.field, value)
        return item

    def nearest_choice(self, name: str, value: str) -> str:
        """The label most like a value that is no choice."""
        found = next(f.field for f in self.fills if f.field.name == name)
        words = (w for o in found.declaration.options for w in (*o.label.all(), o.value))
        labels: dict[str, str] = {}
        for word in words:
            labels.setdefault(fold_name(word), word)
        return nearest(value, labels)

    def _reader(self, fill: Fill) -> Callable[[str], Any]:
        kind = fill.field.kind.name
        if kind in ("lookup", "user"):
            return lambda cell: _Name(unquote_formula(cell.strip()))
        if kind == "select":
            known = choices(fill.field)
            return lambda cell: _choice(known, cell)
        if kind == "currency":
            return lambda cell: read_number(cell, fill.style.decimal)
        return parser_of(kind, fill.style)

    def _put(self, item: Item, found: FieldType, value: Any) -> None:
        name = found.name
        if isinstance(value, Wrong):
            item.errors.append(
                FieldError(field=name, code=value.code, template=value.template, params=value.params)
            )
        elif isinstance(value, _Name):
            item.named[name] = value.text
        elif isinstance(value, _Unknown):
            self.gaps.add(name, value.text)
            if self.on_missing == "fail":
                item.errors.append(_not_there(name, value.text))
        elif found.kind.name == "currency":
            item.values[name] = value.text
            if value.currency and name in self._companions:
                item.values[self._companions[name]] = value.currency
        else:
            item.values[name] = value


@dataclass(frozen=True)
class _Name:
    text: str


@dataclass(frozen=True)
class _Unknown:
    text: str


def _choice(known: Mapping[str, str], cell: str) -> Any:
    text = unquote_formula(cell.strip())
    return known.get(fold_name(text)) or _Unknown(text)


def _not_there(name: str, value: str) -> FieldError:
    return FieldError(
        field=name, code="unknown_record", template="'{value}' is not there.", params={"value": value[:80]}
    )


@dataclass(kw_only=True)
class Resolver:
    """Names to ids for every lookup and user field, in bulk.

    `own_names` are the names that the file itself brings: a lookup to the same object that finds nothing
    yet waits for them.
    """

    object_type: ObjectType
    targets: Mapping[str, ObjectType]
    gaps: Gaps
    on_missing: OnMissing
    own_names: frozenset[str]
    names: dict[str, Names] = field(default_factory=dict)
    people: People = field(default_factory=People)
    made: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: what was known may have been rolled back."""
        self.names = {t.name: Names(object_type=t) for t in self.targets.values()}

    def resolve(self, writer: Writer, items: Sequence[Item]) -> None:
        """Put ids in the place of names; what finds nothing is counted, created or refused as asked for."""
        if any(name not in self.targets for item in items for name in item.named):
            self.people.ask(writer)
        for target in self.names:
            self.names[target].ask(writer.reader, self._asked(items, target))
        if self.on_missing == "create":
            self._create(writer, items)
        for item in items:
            for name, value in item.named.items():
                self._settle(item, name, value)

    def settle_later(self, writer: Writer, waiting: Sequence[Item]) -> list[dict[str, Any]]:
        """The changes of rows that waited for names of their own file."""
        own = self.names[self.object_type.name]
        own.ask(writer.reader, {v for item in waiting for v in item.later.values()})
        rows: list[dict[str, Any]] = []
        for item in waiting:
            row: dict[str, Any] = {"id": item.id}
            for name, value in item.later.items():
                ids = own.ids(value)
                if len(ids) == 1:
                    row[name] = ids[0]
                else:
                    self.gaps.add(name, value, several=bool(ids))
            if len(row) > 1:
                rows.append(row)
        return rows

    def nearest(self, name: str, value: str) -> str:
        """The name most like a value that a field could not resolve."""
        if name in self.targets:
            return self.names[self.targets[name].name].nearest(value)
        return self.people.nearest(value)

    def _asked(self, items: Sequence[Item], target: str) -> set[str]:
        return {
            value
            for item in items
            for name, value in item.named.items()
            if name in self.targets and self.targets[name].name == target
        }

    def _waits(self, name: str, value: str) -> bool:
        return self.targets[name].name == self.object_type.name and fold_name(value) in self.own_names

    def _create(self, writer: Writer, items: Sequence[Item]) -> None:
        for target, known in self.names.items():
            wanted = sorted(
                {
                    value
                    for item in items
                    for name, value in item.named.items()
                    if name in self.targets
                    and self.targets[name].name == target
                    and not known.ids(value)
                    and not self._waits(name, value)
                }
            )
            spelled = {fold_name(v): v for v in reversed(wanted)}
            if not spelled:
                continue
            name_field = known.object_type.name_field
            fresh = list(spelled.values())
            result = writer.create_many(target, [{name_field: v} for v in fresh])
            for value, id_ in zip(fresh, result.ids, strict=True):
                if id_ is None:
                    continue
                self.made[target] = self.made.get(target, 0) + 1
                for spelling in wanted:
                    if fold_name(spelling) == fold_name(value):
                        known.learn(spelling, id_)

    def _settle(self, item: Item, name: str, value: str) -> None:
        if name in self.targets:
            ids = self.names[self.targets[name].name].ids(value)
        else:
            ids = self.people.ids(value)
        if len(ids) == 1:
            item.values[name] = ids[0]
        elif name in self.targets and not ids and self._waits(name, value):
            item.later[name] = value
        else:
            self.gaps.add(name, value, several=bool(ids))
            if self.on_missing == "fail":
                item.errors.append(_not_there(name, value))


@dataclass(kw_only=True)
class Matcher:
    """Finds the records that rows mean, by the values of the fields to match by."""

    object_type: ObjectType
    fields: Sequence[FieldType]

    def key(self, item: Item) -> Key | None:
        """The values to match by in their stored form; None where one of them is empty."""
        found = []
        for f in self.fields:
            value = item.values.get(f.name)
            if value is None:
                return None
            found.append(_normal(f, value))
        return tuple(found)

    def size(self, key: Key) -> int:
        """How much text the key takes in an expression."""
        return sum(len(literal(f.kind.name, v)) + 2 for f, v in zip(self.fields, key, strict=True))

    def find(self, reader: Reader, keys: Iterable[Key]) -> dict[Key, list[int]]:
        """The ids of the records that hold each key."""
        found: dict[Key, list[int]] = {}
        wanted = dict.fromkeys(keys)
        for chunk in chunks(wanted, self.size, per_value=len(self.fields)):
            conditions = [
                one_of(f, list(dict.fromkeys(key[place] for key in chunk)))
                for place, f in enumerate(self.fields)
            ]
            query = ListQuery(filter=" and ".join(conditions), fields=("id", *(f.name for f in self.fields)))
            for rows in reader.stream(self.object_type.name, query):
                for row in rows:
                    key = tuple(_normal(f, row[f.name]) for f in self.fields)
                    if key in wanted:
                        found.setdefault(key, []).append(row["id"])
        return found


def _normal(found: FieldType, value: Any) -> Any:
    if value is None or found.kind.name in ("select", "user", "lookup"):
        return value
    try:
        return python_to_json(found.kind, found.declaration, found.kind.load(found.declaration, value))
    except Wrong:
        return value  # the writer will say what is wrong with it


@dataclass(kw_only=True)
class Batch:
    """Writes the items of one batch inside one transaction and notes what became of each."""

    writer: Writer
    object_type: ObjectType
    matcher: Matcher | None
    fixed: frozenset[str]
    """Fields that can't change once the record is there."""

    def write(self, items: Sequence[Item]) -> None:
        """Create or change the records of the items that have no errors yet."""
        good = [i for i in items if not i.errors]
        if self.matcher is None:
            self._create(good)
            return
        keys: dict[int, Key] = {}
        for place, item in enumerate(good):
            key = self.matcher.key(item)
            if key is None:
                item.errors.append(_no_key(self.matcher.fields, item))
            elif self.matcher.size(key) > TEXT_ROOM:
                item.errors.append(
                    FieldError(field="", code="too_long", template="The value to match by is too long.")
                )
            else:
                keys[place] = key
        known = self.matcher.find(self.writer.reader, keys.values())
        open_ = [(key, good[place]) for place, key in keys.items()]
        while open_:
            # rows of one key follow one another, so that a later row changes what an earlier one made
            this_round: dict[Key, Item] = {}
            rest: list[tuple[Key, Item]] = []
            for key, item in open_:
                if key in this_round:
                    rest.append((key, item))
                else:
                    this_round[key] = item
            self._write_round(this_round, known)
            open_ = rest

    def _write_round(self, items: Mapping[Key, Item], known: dict[Key, list[int]]) -> None:
        fresh: dict[Key, Item] = {}
        there: list[Item] = []
        for key, item in items.items():
            ids = known.get(key, [])
            if len(ids) > 1:
                item.errors.append(
                    FieldError(
                        field="",
                        code="several_matches",
                        template="{count} records match this row ({ids}).",
                        params={"count": len(ids), "ids": ", ".join(str(i) for i in sorted(ids)[:5])},
                    )
                )
            elif ids:
                item.id = ids[0]
                there.append(item)
            else:
                fresh[key] = item
        self._update(there)
        self._create([item for item in fresh.values() if not _names_no_record(item)])
        for key, item in fresh.items():
            if item.id is not None:
                known[key] = [item.id]

    def _create(self, items: Sequence[Item]) -> None:
        if not items:
            return
        result = self.writer.create_many(self.object_type.name, [i.values for i in items])
        self._note(items, result)
        for item in items:
            if not item.errors:
                item.outcome = "created"

    def _update(self, items: Sequence[Item]) -> None:
        if not items:
            return
        rows = [{"id": i.id, **{n: v for n, v in i.values.items() if n not in self.fixed}} for i in items]
        result = self.writer.update_many(self.object_type.name, rows)
        self._note(items, result)
        for item, changed in zip(items, result.changed, strict=True):
            if not item.errors:
                item.outcome = "updated" if changed else "unchanged"

    def _note(self, items: Sequence[Item], result: BulkResult) -> None:
        for error in result.errors:
            items[error.index or 0].errors.append(error)
        for item, id_ in zip(items, result.ids, strict=True):
            item.id = id_


def _names_no_record(item: Item) -> bool:
    """Whether the row gives the id of a record that is not there; it is refused then."""
    if "id" not in item.values:
        return False
    item.errors.append(_not_there("id", str(item.values["id"])))
    return True


def _no_key(fields: Sequence[FieldType], item: Item) -> FieldError:
    empty = next(f.name for f in fields if item.values.get(f.name) is None)
    return FieldError(
        field=empty,
        code="no_key",
        template="The value to match by is empty, so it can't be told whether the record is there.",
    )
