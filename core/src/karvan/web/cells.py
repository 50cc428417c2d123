"""From values to HTML, a column at a time: the only module of the pages that writes HTML in Python.

Each renderer takes the JSON values of one column and gives as many pieces of HTML. The pieces are trusted
by the templates, so everything that came from people goes through `escape` here. Values stand in `<bdi>`,
because their direction is not that of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import phonenumbers
from markupsafe import Markup, escape

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.web.formats import Formats
from karvan_sdk.fields import Field

NUMBERS = frozenset({"integer", "decimal", "currency", "percent", "id"})
TONES = frozenset({"ok", "warn", "bad", "info", "violet", "accent"})
LONG = 120
NONE = '<span class="k-none">–</span>'


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a renderer may know of its column.

    `records` are the whole rows, for what stands beside the value (a currency); `yes` and `no` are the two
    words in the language; `cut` shortens long text.
    """

    field: FieldType
    formats: Formats
    records: Sequence[Mapping[str, Any]]
    yes: str
    no: str
    cut: bool = True

    @property
    def declaration(self) -> Field:
        """The field as it was declared."""
        return self.field.declaration


Renderer = Callable[[Sequence[Any], Column], list[str]]


def _bdi(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>"


def _ltr(text: str) -> str:
    return f'<bdi dir="ltr">{escape(text)}</bdi>'


def _text(values: Sequence[Any], column: Column) -> list[str]:
    return [NONE if v is None else _bdi(str(v)) for v in values]


def _long_text(values: Sequence[Any], column: Column) -> list[str]:
    if column.cut:
        return [NONE if v is None else _bdi(_shorten(str(v))) for v in values]
    return [NONE if v is None else f'<bdi class="k-pre">{escape(str(v))}</bdi>' for v in values]


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONG else line[: LONG - 1] + "…"


def _integer(values: Sequence[Any], column: Column) -> list[str]:
    whole = column.formats.whole
    return [NONE if v is None else _ltr(whole(int(v))) for v in values]


def _identity(values: Sequence[Any], column: Column) -> list[str]:
    return [NONE if v is None else _ltr(str(v)) for v in values]


def _decimal(values: Sequence[Any], column: Column) -> list[str]:
    number, scale = column.formats.number, column.field.scale
    return [NONE if v is None else _ltr(number(Decimal(v), scale)) for v in values]


def _currency(values: Sequence[Any], column: Column) -> list[str]:
    money, scale, code = column.formats.money, column.field.scale, f"{column.field.name}_currency"
    way = column.formats.direction  # the unit stands behind the digits in the reading direction
    return [
        NONE if v is None else f'<bdi dir="{way}">{escape(money(Decimal(v), record.get(code), scale))}</bdi>'
        for v, record in zip(values, column.records, strict=True)
    ]


def _percent(values: Sequence[Any], column: Column) -> list[str]:
    percent = column.formats.percent
    return [NONE if v is None else _bdi(percent(Decimal(v))) for v in values]


def _boolean(values: Sequence[Any], column: Column) -> list[str]:
    yes, no = str(escape(column.yes)), str(escape(column.no))
    return [NONE if v is None else yes if v else no for v in values]


def _date(values: Sequence[Any], column: Column) -> list[str]:
    day = column.formats.day
    return [
        NONE if v is None else f'<time datetime="{escape(v)}">{day(date.fromisoformat(v))}</time>'
        for v in values
    ]


def _datetime(values: Sequence[Any], column: Column) -> list[str]:
    return [NONE if v is None else moment_html(v, column.formats) for v in values]


def moment_html(value: str, formats: Formats) -> str:
    """A moment in its short form, with everything in the title."""
    at = datetime.fromisoformat(value)
    full = escape(formats.full_moment(at))
    return f'<time datetime="{escape(value)}" title="{full}">{escape(formats.moment(at))}</time>'


def _select(values: Sequence[Any], column: Column) -> list[str]:
    made = {
        o.value: _option(o.label(column.formats.language) or o.value, o.color)
        for o in column.declaration.options
    }
    return [NONE if v is None else made.get(v) or _option(str(v), "") for v in values]


def _option(label: str, color: str) -> str:
    tone = f" k-{color}" if color in TONES else ""
    return f'<span class="k-st"><span class="k-dot{tone}"></span><bdi>{escape(label)}</bdi></span>'


def _email(values: Sequence[Any], column: Column) -> list[str]:
    return [
        NONE if v is None else f'<a class="k-link" href="mailto:{quote(str(v), safe="@")}">{_ltr(str(v))}</a>'
        for v in values
    ]


def _phone(values: Sequence[Any], column: Column) -> list[str]:
    digits = column.formats.digits
    return [
        NONE
        if v is None
        else f'<a class="k-link k-nw" href="tel:{quote(str(v), safe="+")}">'
        f"{_ltr(digits(_spaced(str(v))))}</a>"
        for v in values
    ]


def _spaced(value: str) -> str:
    """A number in E.164 with the spaces that its country is used to."""
    try:
        parsed = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return value
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _url(values: Sequence[Any], column: Column) -> list[str]:
    return [NONE if v is None else _link(str(v)) for v in values]


def _link(address: str) -> str:
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https"):  # javascript: and the like stay text
        return _ltr(address)
    shown = address.partition("://")[2].rstrip("/")
    return f'<a class="k-link" href="{escape(address)}" rel="noopener noreferrer">{_ltr(shown)}</a>'


def _lookup(values: Sequence[Any], column: Column) -> list[str]:
    target = escape(column.declaration.target or "")
    found = []
    for v in values:
        if v is None:
            found.append(NONE)
        elif isinstance(v, Mapping):
            name = v.get("name") or f"#{v['id']}"
            found.append(f'<a class="k-ref" href="/{target}/{int(v["id"])}"><bdi>{escape(name)}</bdi></a>')
        else:
            found.append(f'<a class="k-ref" href="/{target}/{int(v)}">{_ltr(f"#{int(v)}")}</a>')
    return found


def _user(values: Sequence[Any], column: Column) -> list[str]:
    faces: dict[Any, str] = {}
    found = []
    for v in values:
        if v is None:
            found.append(NONE)
            continue
        name = str((v.get("name") or f"#{v['id']}") if isinstance(v, Mapping) else f"#{v}")
        if name not in faces:
            faces[name] = f'<span class="k-st">{avatar(name)}<bdi class="k-q">{escape(name)}</bdi></span>'
        found.append(faces[name])
    return found


def _json(values: Sequence[Any], column: Column) -> list[str]:
    found = []
    for v in values:
        if v is None:
            found.append(NONE)
        elif column.cut:
            found.append(f'<bdi class="k-mono" dir="ltr">{escape(_shorten(orjson.dumps(v).decode()))}</bdi>')
        else:
            text = orjson.dumps(v, option=orjson.OPT_INDENT_2).decode()
            found.append(f'<bdi class="k-mono k-pre" dir="ltr">{escape(text)}</bdi>')
    return found


RENDERERS: Mapping[str, Renderer] = {
    "text": _text,
    "long_text": _long_text,
    "integer": _integer,
    "id": _identity,
    "decimal": _decimal,
    "currency": _currency,
    "currency_code": _text,
    "percent": _percent,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "select": _select,
    "email": _email,
    "phone": _phone,
    "url": _url,
    "lookup": _lookup,
    "user": _user,
    "json": _json,
}
"""One renderer per kind; a kind without one is shown as text."""


def cells(values: Sequence[Any], column: Column) -> list[str]:
    """The HTML of one column."""
    return RENDERERS.get(column.field.kind.name, _text)(values, column)


def avatar(name: str, classes: str = "") -> str:
    """A coloured disc with initials; the colour follows from the name."""
    words = name.split()
    if words and "\u4e00" <= words[0][0] <= "\u9fff":
        initials = words[0][0]
    else:
        initials = "".join(w[0] for w in (words[:1] + words[1:][-1:])).upper()
    hue = sum(map(ord, name)) % 7
    return f'<span class="k-av k-a{hue} {escape(classes)}" aria-hidden="true">{escape(initials)}</span>'


def table_rows(
    object_type: ObjectType, columns: Sequence[Column], records: Sequence[Mapping[str, Any]]
) -> Markup:
    """The rows of a table: the first column links to the record."""
    rendered = [cells([r.get(c.field.name) for r in records], c) for c in columns]
    kinds = [' class="k-num"' if c.field.kind.name in NUMBERS else "" for c in columns]
    rows: list[str] = []
    for index, record in enumerate(records):
        link = f"/{object_type.name}/{record['id']}"
        first = rendered[0][index]
        if "<a " in first:  # a link within a link is no HTML
            first = f"{first} "
        parts = [
            f'<td{kinds[0]}><a class="k-m" href="{link}">{_unlinked(record, columns[0], first)}</a></td>'
        ]
        parts += [
            f"<td{kind}>{column[index]}</td>" for kind, column in zip(kinds[1:], rendered[1:], strict=True)
        ]
        rows.append(f"<tr>{''.join(parts)}</tr>")
    return Markup("".join(rows))  # noqa: S704  every piece was escaped by its renderer


def _unlinked(record: Mapping[str, Any], column: Column, html: str) -> str:
    """The first cell as it stands inside the link to its record; an empty name still needs a word."""
    if html == NONE:
        return _ltr(f"#{record['id']}")
    if "<a " not in html:
        return html
    value = record[column.field.name]
    return _bdi(str(value.get("name") or f"#{value['id']}" if isinstance(value, Mapping) else value))


def expandable(fields: Iterable[FieldType]) -> tuple[str, ...]:
    """The names of the fields that are shown by the name of what they point to."""
    return tuple(f.name for f in fields if f.kind.name in ("lookup", "user"))
