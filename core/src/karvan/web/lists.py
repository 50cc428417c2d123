"""List pages: the views of an object, a filter, sorting, paging by cursor; and the trash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, jsonify, render_template, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.records.reader import Reader
from karvan.records.shapes import ListQuery, Page
from karvan.web.cells import NUMBERS, Column, expandable, table_rows
from karvan.web.faults import say
from karvan.web.formats import Formats
from karvan.web.visit import Workspace, reader_of, this_visit
from karvan_sdk.errors import BadInput, KarvanError, UnknownField
from karvan_sdk.expressions import ExpressionError
from karvan_sdk.objects import View

PAGE = 50
COLUMNS = 7
UNSUITABLE = frozenset({"long_text", "json", "currency_code", "id"})
SUGGESTIONS = 20


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head of one column: its label, where a click leads, and how it is sorted now."""

    label: str
    link: str
    sorted: str
    number: bool


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with a typed filter; `wrong` is the part of it that is meant, between the two others."""

    text: str
    before: str = ""
    wrong: str = ""
    after: str = ""


def add_routes(web: Blueprint, workspace: Workspace) -> None:
    """The list and the trash of every object."""

    @web.get("/<object>")
    def records(object: str) -> str | tuple[str, int]:
        reader, visit = reader_of(workspace), this_visit(workspace)
        object_type = reader.catalog.object(object)
        view = _view_of(object_type, request.args.get("view"))
        typed = request.args.get("filter", "").strip()
        fields = list_fields(object_type, view)
        query = _query(object_type, view, fields, typed)
        page, problem = _read(reader, object, query, typed)
        columns = make_columns(fields, visit.formats, page.rows)
        html = render_template(
            "list.html",
            object=object_type,
            view=view,
            typed=typed,
            problem=problem,
            count=shown_count(page, visit.formats),
            heads=_heads(object_type, fields, query.sort, visit.language),
            body=table_rows(object_type, columns, page.rows),
            empty=not page.rows,
            next_link=_link(after=page.next) if page.next else "",
            first_link=_link(after=None) if query.after else "",
            deleted=_number(request.args.get("deleted")),
        )
        return (html, 422) if problem else html

    @web.get("/<object>/trash")
    def trash(object: str) -> str:
        reader, visit = reader_of(workspace), this_visit(workspace)
        object_type = reader.catalog.object(object)
        page = reader.trash(object, ListQuery(limit=PAGE, after=request.args.get("after") or None))
        return render_template(
            "trash.html",
            object=object_type,
            rows=[with_title(object_type, r) for r in page.rows],
            formats=visit.formats,
            next_link=_link(after=page.next) if page.next else "",
        )

    @web.get("/<object>/names")
    def names(object: str) -> Response | str:
        """Names that begin with what was typed, for the pickers; as options for those with scripts."""
        # an input sends its text under its own name, whatever that is
        typed = next(iter(request.args.values()), "").strip()
        rows = find_names(workspace, object, typed, starts=True)
        if request.headers.get("HX-Request"):
            return render_template("names.html", rows=rows)
        return jsonify([{"id": id_, "name": name} for id_, name in rows])


def _read(reader: Reader, object: str, query: ListQuery, typed: str) -> tuple[Page, Problem | None]:
    """The page, or an empty one and what is wrong with the filter, the order or the cursor."""
    try:
        return reader.list(object, query), None
    except (BadInput, UnknownField) as exc:
        problem: KarvanError = exc
    try:  # places in the message then are those of what was typed, without the view's own filter
        reader.list(object, ListQuery(filter=typed, limit=1))
    except (BadInput, UnknownField) as exc:
        problem = exc
    return Page(rows=[]), _place(problem, typed)


def _place(problem: KarvanError, typed: str) -> Problem:
    if not isinstance(problem, ExpressionError):
        return Problem(text=say(problem))
    start, end = problem.position, max(problem.end, problem.position + 1)
    return Problem(text=say(problem), before=typed[:start], wrong=typed[start:end] or "␣", after=typed[end:])


def find_names(
    workspace: Workspace, object: str, typed: str, *, starts: bool = False
) -> list[tuple[int, str]]:
    """Records by name: of exactly this name, or of names that begin with it."""
    reader = reader_of(workspace)
    object_type = reader.catalog.object(object)
    name = object_type.name_field
    quoted = typed.replace("\\", "\\\\").replace('"', '\\"')
    condition = f'{name} starts_with "{quoted}"' if starts else f'{name} = "{quoted}"'
    query = ListQuery(
        filter=condition if typed else "", fields=("id", name), limit=SUGGESTIONS if starts else 2
    )
    return [(row["id"], row[name]) for row in reader.list(object, query).rows if row[name] is not None]


def list_fields(object_type: ObjectType, view: View | None) -> list[FieldType]:
    """The columns of a list: those of the view, or the name and the first fields that suit a cell."""
    if view is not None and view.columns:
        return [object_type.fields[c] for c in view.columns]
    first = [object_type.fields[n] for n in (object_type.name_field,) if n in object_type.fields]
    others = [
        f
        for f in object_type.own_fields.values()
        if f.kind.name not in UNSUITABLE and f.name != object_type.name_field and not f.declaration.hidden
    ]
    return [*first, *others[: COLUMNS - 2], object_type.fields["owner"]]


def make_columns(
    fields: Sequence[FieldType], formats: Formats, rows: Sequence[Mapping[str, Any]], *, cut: bool = True
) -> list[Column]:
    """The columns with what their renderers need."""
    return [Column(field=f, formats=formats, records=rows, yes=_("Yes"), no=_("No"), cut=cut) for f in fields]


def wanted_fields(object_type: ObjectType, fields: Sequence[FieldType]) -> tuple[str, ...]:
    """The names to be read for some columns: the id and the currencies come along."""
    names = {"id", object_type.name_field, *(f.name for f in fields)}
    names |= {f.name for f in object_type.fields.values() if f.companion in names and f.companion}
    return tuple(n for n in object_type.fields if n in names)


def shown_count(page: Page, formats: Formats) -> str:
    """The count as people read it: "248", or "1,000+" where counting stopped."""
    if page.count is None:
        return ""
    return formats.number(page.count) + ("+" if page.count_kind == "at_least" else "")


def with_title(object_type: ObjectType, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with `title`: its name, or its number where the name is empty."""
    name = row.get(object_type.name_field)
    return {**row, "title": f"#{row['id']}" if name is None else str(name)}


def _view_of(object_type: ObjectType, name: str | None) -> View | None:
    views = object_type.declaration.views
    return next((v for v in views if v.name == name), views[0] if views else None)


def _query(object_type: ObjectType, view: View | None, fields: Sequence[FieldType], typed: str) -> ListQuery:
    """What the page asks. The typed filter stands first, so that positions in errors are those typed."""
    declared = view.filter if view else ""
    sort = request.args.get("sort")
    return ListQuery(
        filter=f"({typed}) and ({declared})" if typed and declared else typed or declared,
        sort=(sort,) if sort else (view.sort if view else ()) or ("-id",),
        fields=wanted_fields(object_type, fields),
        expand=expandable(fields),
        limit=PAGE,
        after=request.args.get("after") or None,
        count="estimate",
    )


def _heads(
    object_type: ObjectType, fields: Sequence[FieldType], sort: Sequence[str], language: str
) -> list[Head]:
    now = sort[0] if sort else ""
    heads = []
    for field in fields:
        descending = now == f"-{field.name}"
        ascending = now == field.name
        link = _link(sort=f"-{field.name}" if ascending else field.name, after=None)
        heads.append(
            Head(
                label=field.declaration.label(language) or field.name,
                link=link if field.kind.sortable else "",
                sorted="descending" if descending else "ascending" if ascending else "",
                number=field.kind.name in NUMBERS,
            )
        )
    return heads


def _link(**changes: str | None) -> str:
    """This page with other parameters."""
    kept = {k: v for k, v in request.args.items() if k in ("view", "filter", "sort", "after") and v}
    wanted = {**kept, **changes}
    query = urlencode({k: v for k, v in wanted.items() if v})
    return f"{request.path}?{query}" if query else request.path


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and text.isascii() and len(text) < 19 else None
