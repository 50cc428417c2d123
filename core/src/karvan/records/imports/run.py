"""The course of an import: read, prepare, write in batches, tell."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from karvan.access.actors import Actor
from karvan.metadata.catalog import ObjectType
from karvan.records.imports.batches import Batch, Cells, Item, Matcher, Resolver
from karvan.records.imports.folding import fold_name
from karvan.records.imports.lookups import Gaps
from karvan.records.imports.options import ImportOptions
from karvan.records.imports.prepare import Preparation, Preparing
from karvan.records.imports.reading import FAILED_HEADER, BadRow, Row, Table, read_table
from karvan.records.imports.report import ImportReport, merge_refused, reason_of
from karvan.records.service import Records
from karvan.records.writer import Writer
from karvan.schema.changes import Schema
from karvan.settings import Settings
from karvan_sdk.errors import FieldError, KarvanError, PluginFailed, Rejected, ValidationFailed

BATCH = 500
Progress = Callable[[int, int], None]
PLAIN = ImportOptions()


class _Undo(Exception):
    """Ends the transaction of a trial run without keeping it."""


class Imports:
    """Imports CSV files into the records of one workspace."""

    def __init__(self, *, records: Records, schema: Schema, settings: Settings) -> None:
        self._records = records
        self._schema = schema
        self._settings = settings

    def run(
        self,
        actor: Actor,
        object: str,
        source: Path | BinaryIO,
        options: ImportOptions = PLAIN,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import a file. Rows that are refused are told and put into the failed file; the rest goes on.

        Raises BadInput, UnknownObject or UnknownField when the file or the options can't be understood,
        before anything is made; Unavailable, NotAllowed and NotSignedIn when the workspace refuses.
        """
        table = read_table(source, delimiter=options.delimiter, encoding=options.encoding)
        preparation = Preparing(
            records=self._records,
            schema=self._schema,
            actor=actor,
            table=table,
            options=options,
            timezone=self._settings.timezone,
        ).prepare(object)
        run = _Run(self._records, actor, table, preparation, options)
        run.write_all(progress)
        failed_file = _failed_file(source, options) if run.refused else None
        if failed_file is not None:
            write_failed(failed_file, table.header, run.refused)
        return run.report(failed_file)


class _Run:
    """One run over the rows of a table."""

    def __init__(
        self,
        records: Records,
        actor: Actor,
        table: Table,
        preparation: Preparation,
        options: ImportOptions,
    ) -> None:
        self._records = records
        self._actor = actor
        self._table = table
        self._preparation = preparation
        self._options = options
        self._object_type = preparation.object_type
        self._gaps = Gaps()
        self._cells = Cells(fills=preparation.fills, gaps=self._gaps, on_missing=options.on_missing)
        self._resolver = self._make_resolver()
        self._matcher = self._make_matcher()
        self._fixed = frozenset(
            n for n, f in self._object_type.fields.items() if f.declaration.read_only_after_create
        )
        self._counts: Counter[str] = Counter()
        self._failed: list[BadRow] = []
        self._waiting: list[Item] = []

    @property
    def refused(self) -> tuple[BadRow, ...]:
        """All rows that were refused, in the order of the file."""
        return merge_refused(self._table.bad, self._failed)

    def write_all(self, progress: Progress | None) -> None:
        """Write every row, a batch a transaction."""
        rows = self._table.rows
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            self._write_batch(batch)
            if progress:
                progress(min(start + BATCH, len(rows)), len(rows))
        if not self._options.dry_run:  # in a trial run there is nothing to come back to
            self._write_waiting()

    def report(self, failed_file: Path | None) -> ImportReport:
        """What this run did."""
        return ImportReport(
            object=self._object_type.name,
            rows=len(self._table.rows) + len(self._table.bad),
            created=self._counts["created"],
            updated=self._counts["updated"],
            unchanged=self._counts["unchanged"],
            refused=self.refused,
            failed_file=str(failed_file) if failed_file else None,
            columns=self._preparation.columns,
            decisions=self._preparation.decisions,
            made_object=self._preparation.made_object,
            made_fields=self._preparation.made_fields,
            made_options=self._preparation.made_options,
            made_records=dict(self._resolver.made),
            missing=self._gaps.report(self._nearest),
            encoding=self._table.encoding,
            delimiter=self._table.delimiter,
            nulls=self._table.nulls,
            dry_run=self._options.dry_run,
        )

    def _nearest(self, name: str, value: str) -> str:
        found = self._object_type.fields[name]
        if found.kind.name == "select":
            return self._cells.nearest_choice(name, value)
        return self._resolver.nearest(name, value)

    # -- inside ----------------------------------------------------------------------------------------

    def _make_resolver(self) -> Resolver:
        catalog = self._records.read(self._actor).catalog
        targets: dict[str, ObjectType] = {
            f.field.name: catalog.objects[f.field.declaration.target or ""]
            for f in self._preparation.fills
            if f.field.kind.name == "lookup" and f.field.declaration.target in catalog.objects
        }
        own = frozenset[str]()
        name_fill = next(
            (f for f in self._preparation.fills if f.field.name == self._object_type.name_field), None
        )
        if name_fill and any(t.name == self._object_type.name for t in targets.values()):
            own = frozenset(fold_name(v) for v in self._table.column(name_fill.position))
        return Resolver(
            object_type=self._object_type,
            targets=targets,
            gaps=self._gaps,
            on_missing=self._options.on_missing,
            own_names=own,
        )

    def _make_matcher(self) -> Matcher | None:
        fields = [
            self._object_type.fields[name]
            for name in self._preparation.match
            if name in self._object_type.fields
        ]
        return Matcher(object_type=self._object_type, fields=fields) if fields else None

    def _write_batch(self, rows: Sequence[Row]) -> None:
        """Write rows in one transaction; if it is refused as a whole, halve it to find the rows to blame."""
        known_gaps = self._gaps.copy()
        made = dict(self._resolver.made)
        items = [self._cells.read(row) for row in rows]
        try:
            with self._transaction() as writer:
                self._resolver.resolve(writer, items)
                Batch(
                    writer=writer,
                    object_type=self._object_type,
                    matcher=self._matcher,
                    fixed=self._fixed,
                ).write(items)
        except (PluginFailed, Rejected, ValidationFailed) as exc:
            self._resolver.forget()
            self._resolver.made = made
            if len(rows) > 1:
                self._gaps.restore(known_gaps)
                half = len(rows) // 2
                self._write_batch(rows[:half])
                self._write_batch(rows[half:])
                return
            items[0].errors.append(_refusal(exc))
        for item in items:
            self._count(item)

    def _count(self, item: Item) -> None:
        if item.errors:
            self._counts["failed"] += 1
            self._failed.append(BadRow(line=item.row.line, cells=item.row.cells, errors=tuple(item.errors)))
            return
        self._counts[item.outcome] += 1
        if item.later:
            self._waiting.append(item)

    def _write_waiting(self) -> None:
        """Lookups to records that this file brought further down."""
        for start in range(0, len(self._waiting), BATCH):
            items = self._waiting[start : start + BATCH]
            if start == 0:
                self._resolver.forget()  # the names asked for before have come since
            with self._transaction() as writer:
                rows = self._resolver.settle_later(writer, items)
                result = writer.update_many(self._object_type.name, rows) if rows else None
            if result is None:
                continue
            by_id = {item.id: item for item in items}
            for row, changed in zip(rows, result.changed, strict=True):
                item = by_id[row["id"]]
                if changed and item.outcome == "unchanged":
                    self._counts["unchanged"] -= 1
                    self._counts["updated"] += 1
            for error in result.errors:
                item = by_id[rows[error.index or 0]["id"]]
                for name, value in item.later.items():
                    if error.field in ("", name):
                        self._gaps.add(name, value)

    @contextmanager
    def _transaction(self) -> Iterator[Writer]:
        """One transaction of the run; that of a trial run is undone."""
        try:
            with self._records.write(self._actor, source="import") as writer:
                yield writer
                if self._options.dry_run:
                    raise _Undo
        except _Undo:
            self._resolver.forget()


def _refusal(exc: KarvanError) -> FieldError:
    return FieldError(field="", code=exc.code, template="{message}", params={"message": exc.message})


def _failed_file(source: Path | BinaryIO, options: ImportOptions) -> Path | None:
    if options.failed_file is not None:
        return options.failed_file
    return source.with_name(f"{source.stem}.failed.csv") if isinstance(source, Path) else None


def write_failed(path: Path, header: Sequence[str], refused: Sequence[BadRow]) -> None:
    """Write the rows that failed as they stood, each with its line and the reason in front.

    The reason stands in front so that a row with too many cells still shows where it went wrong.
    """
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([*FAILED_HEADER, *header])
        for row in refused:
            writer.writerow([row.line, reason_of(row), *row.cells])
