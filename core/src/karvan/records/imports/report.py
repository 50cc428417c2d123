"""What an import did, as data for programs and as sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from karvan.records.imports.inference import Decision
from karvan.records.imports.mapping import IGNORED, MADE
from karvan.records.imports.reading import BadRow

Translate = Callable[[str], str]
ROWS_SHOWN = 20
MISSING_SHOWN = 50
VALUE_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class ColumnReport:
    """What became of one column: `rule` 0 is by hand, 1 to 6 the rules; `type` is that of a field made."""

    header: str
    field: str
    rule: int
    type: str = ""
    read_only: bool = False
    taken: str = ""
    samples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        found: dict[str, Any] = {
            "header": self.header,
            "field": self.field or None,
            "rule": self.rule,
            "samples": list(self.samples),
        }
        if self.type:
            found["type"] = self.type
        if self.read_only:
            found["read_only"] = True
        if self.taken:
            found["taken"] = self.taken
        return found


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A value that names no record, person or choice: how many rows hold it and what is nearest to it.

    `several` says that it names more than one record.
    """

    field: str
    value: str
    count: int
    nearest: str = ""
    several: bool = False

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "field": self.field,
            "value": self.value,
            "count": self.count,
            "nearest": self.nearest or None,
            "several": self.several,
        }


@dataclass(frozen=True, kw_only=True)
class MadeOption:
    """A choice that was added, with its type where the field's synonyms knew one."""

    field: str
    value: str
    label: str
    type: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One sentence of the report: a template to be translated, and what fills its gaps."""

    template: str
    params: dict[str, Any] = field(default_factory=dict)

    def text(self, translate: Translate) -> str:
        """The sentence in the language of `translate`."""
        return translate(self.template).format(**self.params)


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """The outcome of an import. `refused` are the rows that failed; `missing` what was left empty."""

    object: str
    rows: int
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: tuple[BadRow, ...] = ()
    failed_file: str | None = None
    columns: tuple[ColumnReport, ...] = ()
    decisions: tuple[Decision, ...] = ()
    made_object: str = ""
    made_fields: tuple[str, ...] = ()
    made_options: tuple[MadeOption, ...] = ()
    made_records: dict[str, int] = field(default_factory=dict)
    missing: tuple[Missing, ...] = ()
    encoding: str = ""
    delimiter: str = ""
    nulls: int = 0
    dry_run: bool = False

    @property
    def failed(self) -> int:
        """The number of rows that were refused."""
        return len(self.refused)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The headers of columns that fill no field."""
        return tuple(c.header for c in self.columns if c.rule == IGNORED)

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "object": self.object,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "failed": self.failed,
            "failed_file": self.failed_file,
            "dry_run": self.dry_run,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "mapping": [c.as_json() for c in self.columns],
            "ignored": list(self.ignored),
            "decisions": [
                {"header": d.header, "what": d.what, "choice": d.choice, "reason": d.reason}
                | ({"evidence": d.evidence} if d.evidence else {})
                for d in self.decisions
            ],
            "made": {
                "object": self.made_object or None,
                "fields": list(self.made_fields),
                "options": [
                    {"field": o.field, "value": o.value, "label": o.label, "type": o.type or None}
                    for o in self.made_options
                ],
                "records": dict(self.made_records),
            },
            "missing": [m.as_json() for m in self.missing],
            "nulls": self.nulls,
            "errors": [
                {"line": row.line, "errors": [e.as_dict() for e in row.errors]}
                for row in self.refused[:ROWS_SHOWN]
            ],
        }

    def text(self, translate: Translate = str) -> str:
        """The report for people, one sentence a line."""
        return "\n".join(line.text(translate) for line in self.lines()) + "\n"

    def lines(self) -> list[Line]:
        """The sentences of the report, in order."""
        return [
            *self._counts(),
            *self._mapping(),
            *(_decision(d) for d in self.decisions),
            *self._made(),
            *self._gaps(),
            *self._refused(),
        ]

    def _counts(self) -> list[Line]:
        template = "{object}: {created} created, {updated} changed, {unchanged} unchanged, {failed} failed."
        if self.dry_run:
            template = (
                "{object}, trial run, nothing was saved: {created} to be created, {updated} to be changed, "
                "{unchanged} unchanged, {failed} would fail."
            )
        counts = Line(
            template=template,
            params={
                "object": self.object,
                "created": self.created,
                "updated": self.updated,
                "unchanged": self.unchanged,
                "failed": self.failed,
            },
        )
        name = {"\t": "tab"}.get(self.delimiter, self.delimiter)
        read = Line(
            template="Read as {encoding}, cells divided by {delimiter}.",
            params={"encoding": self.encoding, "delimiter": name},
        )
        nulls = Line(
            template="{count} cells hold the word NULL and were taken as empty.", params={"count": self.nulls}
        )
        return [counts, read, *([nulls] if self.nulls else [])]

    def _mapping(self) -> list[Line]:
        return [_column(c) for c in self.columns]

    def _made(self) -> list[Line]:
        found: list[Line] = []
        if self.made_object:
            found.append(Line(template="The object {object} was made.", params={"object": self.made_object}))
        for option in self.made_options:
            template = "The choice '{label}' was added to {field} as {value}."
            if option.type:
                template = "The choice '{label}' was added to {field} as {value}, type {type}."
            found.append(
                Line(
                    template=template,
                    params={
                        "label": option.label,
                        "field": option.field,
                        "value": option.value,
                        "type": option.type,
                    },
                )
            )
        for name, count in self.made_records.items():
            found.append(
                Line(
                    template="{count} records of {object} were made because they were named and missing.",
                    params={"count": count, "object": name},
                )
            )
        return found

    def _gaps(self) -> list[Line]:
        found = [_missing(m) for m in self.missing[:MISSING_SHOWN]]
        more = len(self.missing) - MISSING_SHOWN
        return [*found, Line(template="… and {count} more.", params={"count": more})] if more > 0 else found

    def _refused(self) -> list[Line]:
        found = [
            Line(
                template="Line {line}: {reason}",
                params={"line": row.line, "reason": reason_of(row)},
            )
            for row in self.refused[:ROWS_SHOWN]
        ]
        if self.failed > ROWS_SHOWN:
            found.append(Line(template="… and {count} more.", params={"count": self.failed - ROWS_SHOWN}))
        if self.failed_file:
            found.append(
                Line(
                    template="The rows that failed are in {file}; correct them there and import that file.",
                    params={"file": self.failed_file},
                )
            )
        return found


def reason_of(row: BadRow) -> str:
    """Why a row failed, in one line."""
    return "; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in row.errors)


def _column(column: ColumnReport) -> Line:
    params = {
        "header": column.header,
        "field": column.field,
        "rule": column.rule,
        "type": column.type,
        "taken": column.taken,
    }
    if column.rule == MADE:
        return Line(template="  {header} → {field} (rule 5: new field, {type})", params=params)
    if column.rule != IGNORED:
        template = "  {header} → {field} (rule {rule})" if column.rule else "  {header} → {field} (by hand)"
        return Line(template=template, params=params)
    if column.read_only:
        template = "  {header} is left out (rule 6): the field of this name can't be written"
    elif column.taken:
        template = "  {header} is left out (rule 6): another column fills {taken}"
    else:
        template = "  {header} is left out (rule 6)"
    return Line(template=template, params=params)


def _decision(decision: Decision) -> Line:
    params: dict[str, Any] = {"header": decision.header, "evidence": decision.evidence}
    if decision.what == "numbers":
        params["choice"] = decision.choice
        return Line(
            template={
                "decided": "{header}: '{choice}' is the decimal sign, as in {evidence}.",
                "default": "{header}: taken with '{choice}' as the decimal sign, though {evidence} could be "
                "read otherwise; --decimal says it.",
                "mixed": "{header}: '{choice}' is the decimal sign of most cells, yet not of {evidence}.",
                "given": "{header}: '{choice}' is the decimal sign, as asked for.",
            }[decision.reason],
            params=params,
        )
    params["choice"] = "m/d/Y" if decision.choice == "mdy" else "d/m/Y"
    return Line(
        template={
            "decided": "{header}: dates are {choice}; {evidence} can't be read otherwise.",
            "default": "{header}: dates are taken as {choice}, yet no cell decides it; --date-order says it.",
            "mixed": "{header}: most dates are {choice}, yet {evidence} is not.",
            "given": "{header}: dates are {choice}, as asked for.",
        }[decision.reason],
        params=params,
    )


def _missing(missing: Missing) -> Line:
    params = {
        "field": missing.field,
        "value": missing.value[:VALUE_SHOWN],
        "count": missing.count,
        "nearest": missing.nearest,
    }
    if missing.several:
        template = "{field}: {count} rows name '{value}', and several records are called so."
    elif missing.nearest:
        template = "{field}: {count} rows name '{value}', which is not there; the nearest is '{nearest}'."
    else:
        template = "{field}: {count} rows name '{value}', which is not there."
    return Line(template=template, params=params)


def merge_refused(*groups: Sequence[BadRow]) -> tuple[BadRow, ...]:
    """Refused rows of several origins, in the order of the file."""
    return tuple(sorted((row for group in groups for row in group), key=lambda row: row.line))
