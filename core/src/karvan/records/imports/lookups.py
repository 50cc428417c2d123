"""From names to ids: records, people and choices, asked for in bulk and remembered for the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rapidfuzz import fuzz, process

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.records.imports.folding import fold_name
from karvan.records.imports.report import Missing
from karvan.records.reader import Reader
from karvan.records.shapes import ListQuery
from karvan.records.writer import Writer

T = TypeVar("T")
ITEMS_MAX = 200
TEXT_ROOM = 3600
"""What fits into one expression: so many values in a list, and so much text beside the names of fields."""
NAMES_MAX = 200_000
"""Up to so many names of an object are held for folded comparison and for the nearest name."""
NEAR_ENOUGH = 60.0
PEOPLE = "SELECT id, name, email FROM k_user WHERE active"


def literal(kind: str, value: Any) -> str:
    """A JSON value as a literal of the expression language."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or kind in ("decimal", "currency", "percent", "date", "datetime"):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{text}"'


def one_of(found: FieldType, values: Sequence[Any]) -> str:
    """The condition that a field holds one of the values."""
    literals = [literal(found.kind.name, v) for v in values]
    if len(literals) == 1:
        return f"{found.name} = {literals[0]}"
    return f"{found.name} in ({', '.join(literals)})"


def chunks(values: Iterable[T], size_of: Callable[[T], int], *, per_value: int = 1) -> Iterator[list[T]]:
    """The values in lists that fit into one expression; each stands in `per_value` places of it.

    A value that fits into none is left out: names are shorter, and keys are refused before.
    """
    most = ITEMS_MAX // per_value
    chunk: list[T] = []
    room = TEXT_ROOM
    for value in values:
        size = size_of(value)
        if size > TEXT_ROOM:
            continue
        if size > room or len(chunk) == most:
            yield chunk
            chunk, room = [], TEXT_ROOM
        chunk.append(value)
        room -= size
    if chunk:
        yield chunk


@dataclass(kw_only=True)
class Names:
    """The records of one object by name, as far as they were asked for.

    A name is looked for exactly, then folded, then in the unique fields. Each name is asked for once in a
    run, so what a run makes must be told by `learn`.
    """

    object_type: ObjectType
    _ids: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _folded: dict[str, set[int]] | None = None
    _spelled: dict[str, str] = field(default_factory=dict)

    def ask(self, reader: Reader, values: Iterable[str]) -> None:
        """Look for every value that was not asked for before."""
        fresh = sorted({v for v in values if v not in self._ids})
        if not fresh:
            return
        name_field = self.object_type.fields[self.object_type.name_field]
        self._search(reader, name_field, fresh)
        open_ = [v for v in fresh if v not in self._ids]
        if open_:
            self._search_folded(reader, open_)
        for unique in self._unique_fields():
            open_ = [v for v in open_ if v not in self._ids]
            if open_:
                self._search(reader, unique, open_)
        for value in open_:
            self._ids.setdefault(value, ())

    def ids(self, value: str) -> tuple[int, ...]:
        """The records that a value asked for names."""
        return self._ids.get(value, ())

    def learn(self, name: str, id: int) -> None:
        """A record that this run made."""
        self._ids[name] = (*self._ids.get(name, ()), id)
        if self._folded is not None:
            self._folded.setdefault(fold_name(name), set()).add(id)
        self._spelled[fold_name(name)] = name

    def nearest(self, value: str) -> str:
        """The name most like a value, or empty where none is near."""
        return nearest(value, self._spelled)

    def _unique_fields(self) -> list[FieldType]:
        return [
            f
            for f in self.object_type.own_fields.values()
            if f.declaration.unique and f.key_column and f.name != self.object_type.name_field
        ]

    def _search(self, reader: Reader, by: FieldType, values: Sequence[str]) -> None:
        found: dict[str, list[int]] = {}
        for chunk in chunks(values, lambda v: len(literal(by.kind.name, v)) + 2):
            query = ListQuery(filter=one_of(by, chunk), fields=("id", by.name))
            for rows in reader.stream(self.object_type.name, query):
                for row in rows:
                    found.setdefault(row[by.name], []).append(row["id"])
        for value in values:
            if value in found:
                self._ids[value] = tuple(found[value])

    def _search_folded(self, reader: Reader, values: Sequence[str]) -> None:
        if self._folded is None:
            self._folded = self._read_all(reader)
        for value in values:
            ids = self._folded.get(fold_name(value))
            if ids:
                self._ids[value] = tuple(sorted(ids))

    def _read_all(self, reader: Reader) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        name = self.object_type.name_field
        count = 0
        for rows in reader.stream(self.object_type.name, ListQuery(fields=("id", name))):
            for row in rows:
                if row[name]:
                    folded = fold_name(row[name])
                    found.setdefault(folded, set()).add(row["id"])
                    self._spelled.setdefault(folded, row[name])
            count += len(rows)
            if count >= NAMES_MAX:
                break
        return found


def nearest(value: str, spelled: Mapping[str, str]) -> str:
    """The spelling whose folded form is most like a value, or empty where none is near."""
    best = process.extractOne(fold_name(value), spelled.keys(), scorer=fuzz.ratio, score_cutoff=NEAR_ENOUGH)
    return spelled[best[0]] if best else ""


@dataclass(kw_only=True)
class People:
    """The active users by name and by e-mail address."""

    _ids: dict[str, set[int]] | None = None
    _spelled: dict[str, str] = field(default_factory=dict)

    def ask(self, writer: Writer) -> None:
        """Read all users, once."""
        if self._ids is not None:
            return
        self._ids = {}
        for id_, name, email in writer.transaction.fetchall(PEOPLE):
            for word in (name, email):
                if word:
                    self._ids.setdefault(fold_name(word), set()).add(id_)
                    self._spelled.setdefault(fold_name(word), word)

    def ids(self, value: str) -> tuple[int, ...]:
        """The users whom a value names."""
        return tuple(sorted((self._ids or {}).get(fold_name(value), ())))

    def nearest(self, value: str) -> str:
        """The name most like a value, or empty where none is near."""
        return nearest(value, self._spelled)


def choices(found: FieldType) -> dict[str, str]:
    """The stored value of a select's options by their value and labels in every language, folded."""
    known: dict[str, str] = {}
    for option in found.declaration.options:
        for word in (*option.label.all(), option.value):
            known.setdefault(fold_name(word), option.value)
    for option in found.declaration.options:
        known[fold_name(option.value)] = option.value
    return known


@dataclass(kw_only=True)
class Gaps:
    """The values that named nothing, counted by field."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    several: set[tuple[str, str]] = field(default_factory=set)

    def add(self, field_name: str, value: str, *, several: bool = False) -> None:
        """Count a row whose field stays empty."""
        self.counts[field_name, value] += 1
        if several:
            self.several.add((field_name, value))

    def copy(self) -> Gaps:
        """The gaps so far, to come back to."""
        return Gaps(counts=self.counts.copy(), several=set(self.several))

    def restore(self, known: Gaps) -> None:
        """Forget what was counted since `known` was copied."""
        self.counts = known.counts
        self.several = known.several

    def report(self, nearest_of: Callable[[str, str], str]) -> tuple[Missing, ...]:
        """The gaps, most frequent first, each with the nearest name that `nearest_of(field, value)` knows."""
        return tuple(
            Missing(
                field=field_name,
                value=value,
                count=count,
                nearest="" if (field_name, value) in self.several else nearest_of(field_name, value),
                several=(field_name, value) in self.several,
            )
            for (field_name, value), count in sorted(self.counts.items(), key=lambda i: (-i[1], i[0]))
        )
