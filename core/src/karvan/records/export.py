"""Records to CSV, XLSX or JSON lines, streamed: the same records give the same bytes on both engines.

A text that a spreadsheet would run as a formula is quoted in CSV and written as a string in XLSX; import
takes the quote away again.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson
import xlsxwriter

from karvan.access.actors import Actor
from karvan.metadata.catalog import FieldType, ObjectType
from karvan.records.imports.mapping import find_field, find_object_named
from karvan.records.imports.values import quote_formula
from karvan.records.service import Records
from karvan.records.shapes import ListQuery
from karvan_sdk.errors import BadInput

Format = Literal["csv", "xlsx", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "xlsx", "jsonl")
NUMBERS = ("integer", "decimal", "currency", "percent", "id")
SHEET_ROWS = 1_048_576
CELL_CHARACTERS = 32_767
EXACT_DIGITS = 15
"""A spreadsheet holds numbers as doubles; longer ones are written as text, so that no digit is lost."""
FIRST_DAY = date(1900, 3, 1)
"""Spreadsheets count days from 1900 and take that year for a leap year."""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written. `cut` counts texts that were too long for a cell of a spreadsheet."""

    rows: int
    cut: int = 0


@dataclass(frozen=True, kw_only=True)
class ExportColumn:
    """One column: its header, as it was asked for, and the field behind it."""

    header: str
    field: FieldType


Rows = Iterator[list[dict[str, Any]]]


class Exports:
    """Exports the records of one workspace."""

    def __init__(self, *, records: Records) -> None:
        self._records = records

    def write(
        self,
        actor: Actor,
        object: str,
        format: Format,
        output: Path | BinaryIO,
        *,
        filter: str = "",
        fields: Sequence[str] = (),
        sort: Sequence[str] = (),
        view: str | None = None,
        bom: bool = False,
    ) -> ExportReport:
        """Write the records that match, in bounded memory; a path is replaced only when all is written.

        `fields` and `sort` take names with or without the prefix of custom fields; without `fields` those
        of the view are written, else all. Lookups are written by name. `bom` marks a CSV file as UTF-8 for
        spreadsheets. Raises UnknownObject, UnknownField, BadInput or an expression error.
        """
        if format not in FORMATS:
            raise BadInput(f"There is no format '{format}'; choose csv, xlsx or jsonl.", field="format")
        reader = self._records.read(actor)
        reader.prove()
        object_type = find_object_named(reader.catalog, object)
        columns, query = _plan(object_type, filter, fields, sort, view)
        # the first batch is read before anything is written, so that a wrong filter leaves no trace
        rows = _primed(reader.stream(object_type.name, query))
        with _opened(output) as out:
            if format == "csv":
                return _write_csv(out, columns, rows, bom=bom)
            if format == "xlsx":
                return _write_xlsx(out, columns, rows)
            return _write_jsonl(out, columns, rows)


# -- what is asked for ------------------------------------------------------------------------------------


def _plan(
    object_type: ObjectType, filter_: str, fields: Sequence[str], sort: Sequence[str], view: str | None
) -> tuple[list[ExportColumn], ListQuery]:
    chosen = _view(object_type, view) if view else None
    if chosen:
        filter_ = (
            f"({chosen.filter}) and ({filter_})" if chosen.filter and filter_ else chosen.filter or filter_
        )
        sort = sort or chosen.sort
        fields = fields or chosen.columns
    asked = list(dict.fromkeys(fields or object_type.fields))
    columns = [ExportColumn(header=name, field=find_field(object_type, name)) for name in asked]
    names = tuple(dict.fromkeys(c.field.name for c in columns))
    return columns, ListQuery(
        filter=filter_,
        sort=tuple(_sort_term(object_type, s) for s in sort),
        fields=names,
        expand=tuple(n for n in names if _is_reference(object_type.fields[n])),
    )


def _view(object_type: ObjectType, name: str) -> Any:
    found = next((v for v in object_type.declaration.views if v.name == name), None)
    if found is None:
        raise BadInput(f"'{object_type.name}' has no view '{name}'.", field="view")
    return found


def _sort_term(object_type: ObjectType, text: str) -> str:
    sign = "-" if text.startswith("-") else ""
    return sign + find_field(object_type, text.removeprefix("-")).name


def _is_reference(field: FieldType) -> bool:
    return field.kind.name == "user" or (field.kind.name == "lookup" and bool(field.declaration.target))


def _primed(rows: Rows) -> Rows:
    first = next(rows, None)
    return itertools.chain([] if first is None else [first], rows)


@contextmanager
def _opened(output: Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(output, Path):
        yield output
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(output)
    except OSError as exc:
        raise BadInput(f"{output} can't be written: {exc.strerror or exc}.", field="output") from exc
    finally:
        part.unlink(missing_ok=True)


# -- CSV and JSON lines -----------------------------------------------------------------------------------


def _write_csv(out: BinaryIO, columns: Sequence[ExportColumn], rows: Rows, *, bom: bool) -> ExportReport:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    try:
        if bom:
            text.write("\ufeff")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([c.header for c in columns])
        cells = [(c.field.name, _csv_cell(c.field)) for c in columns]
        count = 0
        for batch in rows:
            count += len(batch)
            writer.writerows([[cell(row[name]) for name, cell in cells] for row in batch])
        text.flush()
    finally:
        text.detach()  # the stream belongs to the caller
    return ExportReport(rows=count)


def _csv_cell(field: FieldType) -> Callable[[Any], str]:
    kind = field.kind.name
    if _is_reference(field):
        return lambda value: "" if value is None else quote_formula(value["name"] or "")
    if kind in NUMBERS or kind in ("date", "datetime", "lookup"):
        return lambda value: "" if value is None else str(value)
    if kind == "boolean":
        return lambda value: "" if value is None else "true" if value else "false"
    if kind == "json":
        return lambda value: "" if value is None else quote_formula(_json_text(value))
    return lambda value: "" if value is None else quote_formula(value)


def _json_text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _write_jsonl(out: BinaryIO, columns: Sequence[ExportColumn], rows: Rows) -> ExportReport:
    names = [(c.header, c.field.name) for c in columns]
    count = 0
    for batch in rows:
        count += len(batch)
        out.write(
            b"".join(orjson.dumps({header: row[name] for header, name in names}) + b"\n" for row in batch)
        )
    return ExportReport(rows=count)


# -- XLSX -------------------------------------------------------------------------------------------------


class _Sheets:
    """A workbook written row by row; a new sheet begins when one is full."""

    def __init__(self, out: BinaryIO, headers: Sequence[str]) -> None:
        self.book = xlsxwriter.Workbook(out, {"constant_memory": True, "default_date_format": "yyyy-mm-dd"})
        self.bold = self.book.add_format({"bold": True})
        self.day = self.book.add_format({"num_format": "yyyy-mm-dd"})
        self.moment = self.book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.headers = headers
        self.cut = 0
        self._begin()

    def _begin(self) -> None:
        self.sheet = self.book.add_worksheet()
        self.row = 1
        self.sheet.freeze_panes(1, 0)
        for place, header in enumerate(self.headers):
            self.sheet.write_string(0, place, header, self.bold)

    def text(self, place: int, value: str) -> None:
        """Write a text, never a formula."""
        if len(value) > CELL_CHARACTERS:
            value = value[: CELL_CHARACTERS - 1] + "…"
            self.cut += 1
        self.sheet.write_string(self.row, place, value)

    def end_row(self) -> None:
        """Go to the next row."""
        self.row += 1
        if self.row == SHEET_ROWS:
            self._begin()


def _write_xlsx(out: BinaryIO, columns: Sequence[ExportColumn], rows: Rows) -> ExportReport:
    sheets = _Sheets(out, [c.header for c in columns])
    count = 0
    try:
        for batch in rows:
            count += len(batch)
            for row in batch:
                _write_sheet_row(sheets, columns, row)
    finally:
        sheets.book.close()
    return ExportReport(rows=count, cut=sheets.cut)


def _write_sheet_row(sheets: _Sheets, columns: Sequence[ExportColumn], row: Mapping[str, Any]) -> None:
    for place, column in enumerate(columns):
        value = row[column.field.name]
        if value is not None:
            _write_sheet_cell(sheets, place, column.field, value)
    sheets.end_row()


def _write_sheet_cell(sheets: _Sheets, place: int, field: FieldType, value: Any) -> None:
    kind = field.kind.name
    if _is_reference(field):
        sheets.text(place, value["name"] or "")
    elif kind in NUMBERS or kind == "lookup":
        number = Decimal(value)
        if len(number.as_tuple().digits) <= EXACT_DIGITS:
            sheets.sheet.write_number(sheets.row, place, float(number))
        else:
            sheets.text(place, str(value))
    elif kind == "boolean":
        sheets.sheet.write_boolean(sheets.row, place, value)
    elif kind == "date" and date.fromisoformat(value) >= FIRST_DAY:
        sheets.sheet.write_datetime(sheets.row, place, date.fromisoformat(value), sheets.day)
    elif kind == "datetime" and datetime.fromisoformat(value).date() >= FIRST_DAY:
        moment = datetime.fromisoformat(value).replace(tzinfo=None)
        sheets.sheet.write_datetime(sheets.row, place, moment, sheets.moment)
    else:
        sheets.text(place, value if isinstance(value, str) else _json_text(value))
