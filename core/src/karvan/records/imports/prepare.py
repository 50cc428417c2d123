"""What happens before the first row: columns find their fields, and what is missing in the schema is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from karvan.access.actors import Actor
from karvan.metadata.catalog import Catalog, FieldType, ObjectType
from karvan.records.imports.folding import fold_header, fold_name
from karvan.records.imports.inference import Decision, Inferred, find_style, infer_type
from karvan.records.imports.lookups import Names, choices
from karvan.records.imports.mapping import (
    IGNORED,
    MADE,
    NAME,
    Column,
    bare_name,
    find_field,
    find_header,
    find_object,
    map_columns,
)
from karvan.records.imports.options import ImportOptions
from karvan.records.imports.reading import Table
from karvan.records.imports.report import ColumnReport, MadeOption
from karvan.records.imports.values import Style, unquote_formula
from karvan.records.service import Records
from karvan.schema.changes import Schema
from karvan_sdk import names
from karvan_sdk.errors import BadInput
from karvan_sdk.fields import Field, Option
from karvan_sdk.objects import Object
from karvan_sdk.text import Text

SAMPLES = 3
NAME_LABEL = Text.of({"en": "Name", "ru": "Название", "fa": "نام", "zh": "名称"})


@dataclass(frozen=True, kw_only=True)
class Fill:
    """One column on its way into one field."""

    position: int
    field: FieldType
    style: Style = Style()


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """The object, the columns and their fields, and what was made for them. `match` are field names."""

    object_type: ObjectType
    columns: tuple[ColumnReport, ...]
    fills: tuple[Fill, ...]
    match: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    made_object: str = ""
    made_fields: tuple[str, ...] = ()
    made_options: tuple[MadeOption, ...] = ()


@dataclass(kw_only=True)
class Preparing:
    """One preparation under way."""

    records: Records
    schema: Schema
    actor: Actor
    table: Table
    options: ImportOptions
    timezone: str
    made_object: str = ""
    made_fields: list[str] = field(default_factory=list)
    made_options: list[MadeOption] = field(default_factory=list)

    def prepare(self, object: str) -> Preparation:
        """Find or make the object and the fields; raises BadInput, UnknownObject, UnknownField."""
        object_type = self._object(object)
        columns = self._with_id(map_columns(self.table.header, object_type, self.options.maps))
        wanted = self._wanted(object_type, columns)
        self._match(object_type, columns, wanted)  # before anything is made: a wrong name costs nothing
        object_type, columns = self._make_fields(object_type, columns, wanted)
        object_type = self._make_options(object_type, columns)
        fills, decisions = self._fills(object_type, columns)
        return Preparation(
            object_type=object_type,
            columns=tuple(self._report(c, wanted) for c in columns),
            fills=fills,
            match=self._match(object_type, columns, wanted),
            decisions=decisions,
            made_object=self.made_object,
            made_fields=tuple(self.made_fields),
            made_options=tuple(self.made_options),
        )

    # -- the object ------------------------------------------------------------------------------------

    def _catalog(self) -> Catalog:
        reader = self.records.read(self.actor)
        reader.prove()
        return reader.catalog

    def _object(self, name: str) -> ObjectType:
        catalog = self._catalog()
        custom = names.api_object_name("custom", bare_name(name))
        found = catalog.objects.get(name) or catalog.objects.get(custom)
        if found is not None or not self.options.create_object:
            return found or catalog.object(name)
        if self.options.dry_run:
            raise BadInput(
                f"There is no object '{name}' yet, so there is nothing to try the file on. "
                "Import without the trial run.",
                field="object",
            )
        self.schema.create_object(self.actor, self._declare_object(bare_name(name)))
        self.made_object = custom
        return self._catalog().object(custom)

    def _declare_object(self, name: str) -> Object:
        header = self.table.header[self._name_column()]
        own = fold_header(header) in (fold_header(name), fold_header(name + "s"), "name")
        name_field = Field(
            name="name" if own else names.suggest_name(header),
            type="text",
            label=NAME_LABEL if own else label_of(header),
        )
        return Object(
            name=name,
            label=label_of(name),
            label_plural=Text(),
            name_field=name_field.name,
            fields=(name_field,),
        )

    def _name_column(self) -> int:
        """The first column of text that tells every row apart, else the first that does (a number)."""
        telling = [p for p, header in enumerate(self.table.header) if header and self._tells_rows_apart(p)]
        texts = (p for p in telling if infer_type(self.table.column(p)).type == "text")
        found = next(texts, telling[0] if telling else None)
        if found is None:
            raise BadInput(
                "No column can be the name of the new object: it needs one that is filled and different in "
                "every row.",
                field="file",
            )
        return found

    def _tells_rows_apart(self, position: int) -> bool:
        values = self.table.column(position)
        return len(set(values)) == len(values) == len(self.table.rows) > 0

    # -- fields ----------------------------------------------------------------------------------------

    def _wanted(self, object_type: ObjectType, columns: Sequence[Column]) -> dict[int, Field]:
        """The fields to be made, by the position of their column."""
        if not (self.options.create_fields or self.options.create_object):
            return {}
        catalog = self._catalog()
        used = {
            d.name
            for d in catalog.definitions
            if d.parent == object_type.uid and d.owner == "custom" and d.kind == "field"
        }
        wanted: dict[int, Field] = {}
        for column in columns:
            if column.rule != MADE:
                continue
            values = self.table.column(column.position)
            inferred, target = self._infer(catalog, column.header, values)
            name = unique_name(names.suggest_name(column.header), used)
            used.add(name)
            wanted[column.position] = Field(
                name=name,
                type=inferred.type,
                scale=inferred.scale,
                target=target,
                label=label_of(column.header),
            )
        return wanted

    def _infer(self, catalog: Catalog, header: str, values: Sequence[str]) -> tuple[Inferred, str | None]:
        target = find_object(catalog.objects.values(), header)
        if target is not None and self._mostly_names(target, values):
            return Inferred(type="lookup"), target.name
        return infer_type(values, decimal=self.options.decimal, order=self.options.date_order), None

    def _mostly_names(self, target: ObjectType, values: Sequence[str]) -> bool:
        """Whether most of the different values are names of records of `target`."""
        distinct = {v.strip() for v in values}
        known = Names(object_type=target)
        known.ask(self.records.read(self.actor), distinct)
        return 2 * sum(1 for v in distinct if known.ids(v)) > len(distinct)

    def _make_fields(
        self, object_type: ObjectType, columns: Sequence[Column], wanted: Mapping[int, Field]
    ) -> tuple[ObjectType, tuple[Column, ...]]:
        made: dict[int, str] = {}
        if wanted and not self.options.dry_run:
            found = self.schema.add_fields(self.actor, object_type.name, list(wanted.values()))
            made = {position: f.name for position, f in zip(wanted, found, strict=True)}
            self.made_fields += made.values()
            object_type = self._catalog().object(object_type.name)
        elif wanted:
            made = {
                position: names.api_field_name("custom", object_type.owner, f.name)
                for position, f in wanted.items()
            }
            self.made_fields += made.values()
        settled = tuple(
            c
            if c.rule != MADE
            else replace(c, field=made[c.position])
            if c.position in made
            else replace(c, rule=IGNORED)
            for c in columns
        )
        return object_type, settled

    def _with_id(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """Rows may be matched by the id of their record, which no column fills otherwise."""
        if "id" not in self.options.match or "id" in {c.field for c in columns}:
            return columns
        position = find_header(self.table.header, "id")
        return tuple(
            replace(c, field="id", rule=NAME, read_only=False)
            if c.position == position and not c.field
            else c
            for c in columns
        )

    # -- choices ---------------------------------------------------------------------------------------

    def _make_options(self, object_type: ObjectType, columns: Sequence[Column]) -> ObjectType:
        if not (self.options.create_fields or self.options.create_object):
            return object_type
        changed = False
        for column in columns:
            found = object_type.fields.get(column.field)
            if found is None or found.kind.name != "select":
                continue
            options = new_options(found, self.table.column(column.position))
            self.made_options += [
                MadeOption(
                    field=found.name, value=o.value, label=o.label(), type=str(o.attributes.get("type", ""))
                )
                for o in options
            ]
            if options and not self.options.dry_run:
                self.schema.add_options(self.actor, object_type.name, found.name, options)
                changed = True
        return self._catalog().object(object_type.name) if changed else object_type

    # -- columns ---------------------------------------------------------------------------------------

    def _fills(
        self, object_type: ObjectType, columns: Sequence[Column]
    ) -> tuple[tuple[Fill, ...], tuple[Decision, ...]]:
        base = Style(zone=zone_of(self.actor.timezone or self.timezone))
        fills: list[Fill] = []
        decisions: list[Decision] = []
        for column in columns:
            found = object_type.fields.get(column.field)
            if found is None:
                continue
            style, told = find_style(
                column.header,
                found.kind.name,
                self.table.column(column.position),
                base,
                decimal=self.options.decimal,
                order=self.options.date_order,
            )
            fills.append(Fill(position=column.position, field=found, style=style))
            decisions += told
        return tuple(fills), tuple(decisions)

    def _match(
        self, object_type: ObjectType, columns: Sequence[Column], wanted: Mapping[int, Field]
    ) -> tuple[str, ...]:
        """The fields to match by; those to be made yet are left out."""
        found: list[str] = []
        for text in self.options.match:
            position = find_header(self.table.header, text)
            if position is None:
                name = find_field(object_type, text).name
                if name not in {c.field for c in columns}:
                    raise BadInput(
                        f"No column fills '{name}', so rows can't be matched by it.", field="match"
                    )
                found.append(name)
                continue
            column = columns[position]
            if column.field:
                found.append(column.field)
            elif position not in wanted:
                raise BadInput(
                    f"The column '{column.header}' fills no field, so rows can't be matched by it. "
                    f"Give it one (--map '{column.header}=field') or let it be made (--create-fields).",
                    field="match",
                )
        for name in found:
            match_field = object_type.fields.get(name)
            if match_field is not None and match_field.kind.name in ("long_text", "json"):
                raise BadInput(
                    f"'{name}' is no field to match by: its type can't be searched.", field="match"
                )
        return tuple(dict.fromkeys(found))

    def _report(self, column: Column, wanted: Mapping[int, Field]) -> ColumnReport:
        made = wanted.get(column.position)
        values = self.table.column(column.position)
        return ColumnReport(
            header=column.header or f"({column.position + 1})",
            field=column.field,
            rule=column.rule,
            type=made.type if made else "",
            read_only=column.read_only,
            taken=column.taken,
            samples=tuple(v[:80] for v in list(dict.fromkeys(values[:200]))[:SAMPLES]),
        )


def label_of(header: str) -> Text:
    """A label for people from a header for programs: `opportunity_id` → `Opportunity id`."""
    words = " ".join(header.replace("_", " ").split())
    return Text.of(words[:1].upper() + words[1:])


def unique_name(name: str, used: set[str]) -> str:
    """The name, with a number behind it where it is used."""
    found, number = name, 2
    while found in used:
        suffix = f"_{number}"
        found = name[: names.NAME_MAX - len(suffix)].rstrip("_") + suffix
        number += 1
    return found


def new_options(found: FieldType, values: Sequence[str]) -> list[Option]:
    """The options that a select lacks for these values, each with the type that its synonyms know."""
    known = choices(found)
    types = {
        fold_name(word): type_ for type_, words in found.declaration.option_types.items() for word in words
    }
    used = {o.value for o in found.declaration.options}
    made: list[Option] = []
    for value in dict.fromkeys(unquote_formula(v.strip()) for v in values):
        folded = fold_name(value)
        if not folded or folded in known:
            continue
        name = unique_name(names.suggest_name(value), used)
        used.add(name)
        known[folded] = name
        type_ = types.get(folded)
        made.append(Option(value=name, label=Text.of(value), attributes={"type": type_} if type_ else {}))
    return made


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name; UTC where there is none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
