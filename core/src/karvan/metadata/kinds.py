"""One row per field type: its column on each engine, how a value is checked, stored and shown.

A value has three forms: JSON (the API), Python (hooks, expressions), and the engine's own. `load` takes
JSON to Python and is the one place that knows what a legal value is; both the marshmallow schemas and the
column-wise check of bulk calls are made of it.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Literal

import orjson
import phonenumbers

from karvan_sdk.fields import Field
from karvan_sdk.values import DATE, DATETIME, DIGITS_MAX, EMAIL, INTEGER_MAX, LINE_MAX, NUMBER, URL

Dialect = Literal["sqlite", "postgresql"]
TEXT_MAX = LINE_MAX
LONG_TEXT_MAX = 100_000
ID_MAX = 2**63 - 1
_STRING: Mapping[str, Any] = MappingProxyType({"type": "string"})


class Wrong(ValueError):
    """A value that breaks a rule of its field: a stable code and a message template with its gaps."""

    def __init__(self, code: str, template: str, **params: Any) -> None:
        self.code = code
        self.template = template
        self.params = params
        super().__init__(template.format(**params))


Load = Callable[[Field, Any], Any]
Convert = Callable[[Any], Any]


def _no_convert(field: Field, dialect: Dialect) -> Convert | None:
    return None


def _no_scale(field: Field) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the core knows of one field type.

    `load(field, json)` gives the Python value or raises Wrong (never sees None or empty text).
    `store(field, dialect)` takes Python to the engine's value, `show(field, dialect)` the engine's value to
    JSON, `revive(field, dialect)` the engine's value to Python; None stands for "as it is". `sort_key` says
    that `<column>__k` is stored beside it, for order and for folded containment. `width` is the worst case
    in bytes in a PostgreSQL row. `measure` says that sum and avg make sense.
    """

    name: str
    sqlite: str
    postgresql: str
    load: Load
    store: Callable[[Field, Dialect], Convert | None] = _no_convert
    show: Callable[[Field, Dialect], Convert | None] = _no_convert
    revive: Callable[[Field, Dialect], Convert | None] = _no_convert
    scale: Callable[[Field], int] = _no_scale
    sort_key: bool = False
    sortable: bool = True
    measure: bool = False
    width: int = 8
    json_type: Mapping[str, Any] = dataclasses.field(default_factory=lambda: _STRING)

    def column_type(self, field: Field, dialect: Dialect) -> str:
        """The column type in DDL."""
        text = self.sqlite if dialect == "sqlite" else self.postgresql
        return text.format(scale=self.scale(field))


# -- text ------------------------------------------------------------------------------------------------

_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_text(value: Any) -> str:
    """NFC text without NUL and lone surrogates; raises Wrong."""
    if not isinstance(value, str):
        raise Wrong("wrong_type", "A text is needed here.")
    if "\x00" in value or _SURROGATES.search(value):
        raise Wrong("bad_character", "The text holds a character that can't be stored.")
    return value if value.isascii() else unicodedata.normalize("NFC", value)


def _text_of(longest: int) -> Load:
    def load(field: Field, value: Any) -> str:
        text = clean_text(value)
        limit = field.max_length or longest
        if len(text) > limit:
            raise Wrong("too_long", "At most {limit} characters fit; this has {length}.",
                        limit=limit, length=len(text))  # fmt: skip
        if isinstance(field.minimum, int) and len(text) < field.minimum:
            raise Wrong("too_short", "At least {limit} characters are needed.", limit=field.minimum)
        if field.pattern and not fnmatch.fnmatchcase(text, field.pattern):
            raise Wrong("pattern", "The text must look like {pattern}.", pattern=field.pattern)
        return text

    return load


_load_text = _text_of(TEXT_MAX)


def _load_email(field: Field, value: Any) -> str:
    text: str = _load_text(field, value).strip()
    if not EMAIL.fullmatch(text):
        raise Wrong("email", "'{value}' is no e-mail address.", value=text[:80])
    return text


def _load_phone(field: Field, value: Any) -> str:
    text: str = _load_text(field, value).strip()
    if not any(c.isdigit() for c in text):
        raise Wrong("phone", "'{value}' is no phone number.", value=text[:80])
    if text.startswith("+"):
        try:
            number = phonenumbers.parse(text)
        except phonenumbers.NumberParseException:
            return text  # what was typed is kept: a human can read what a parser can't
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return text


def _load_url(field: Field, value: Any) -> str:
    text: str = _load_text(field, value).strip()
    if not URL.fullmatch(text):
        raise Wrong("url", "'{value}' is no web address (http or https).", value=text[:80])
    return text


def _load_select(field: Field, value: Any) -> str:
    text = clean_text(value)
    if field.option(text) is None:
        raise Wrong("unknown_option", "'{value}' is not one of the choices.", value=text[:80])
    return text


_CODE = re.compile(r"[A-Z]{3}")


def _load_currency_code(field: Field, value: Any) -> str:
    text = clean_text(value).strip().upper()
    if not _CODE.fullmatch(text):
        raise Wrong("currency", "'{value}' is no currency code (three letters, ISO 4217).", value=text[:20])
    return text


# -- numbers ---------------------------------------------------------------------------------------------


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise Wrong("wrong_type", "A whole number is needed here.")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) <= INTEGER_MAX:
        return int(value)  # JSON has one number type: 1.0 is 1
    raise Wrong("wrong_type", "A whole number is needed here.")


def _check_bounds(field: Field, value: Any) -> None:
    if field.minimum is not None and value < Decimal(str(field.minimum)):
        raise Wrong("too_small", "The value must be at least {limit}.", limit=str(field.minimum))
    if field.maximum is not None and value > Decimal(str(field.maximum)):
        raise Wrong("too_large", "The value must be at most {limit}.", limit=str(field.maximum))


def _load_integer(field: Field, value: Any) -> int:
    number = _whole(value)
    if abs(number) > INTEGER_MAX:
        raise Wrong("out_of_range", "Whole numbers go from -9007199254740991 to 9007199254740991.")
    _check_bounds(field, number)
    return number


def _load_id(field: Field, value: Any) -> int:
    number = _whole(value)
    if not 0 < number <= ID_MAX:
        raise Wrong("out_of_range", "An id is a positive whole number.")
    return number


def _decimal_scale(field: Field) -> int:
    return 2 if field.scale is None else field.scale


def _load_decimal(field: Field, value: Any) -> Decimal:
    scale = _decimal_scale(field)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Wrong("wrong_type", "A number is needed here (as text, to keep its decimals exact).")
    text = repr(value) if isinstance(value, float) else str(value).strip() if isinstance(value, str) else None
    if isinstance(value, int):
        number = Decimal(value)
    else:
        assert text is not None
        if isinstance(value, str) and not NUMBER.fullmatch(text):
            raise Wrong("wrong_type", "'{value}' is no number (like 1054.50).", value=text[:40])
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise Wrong("wrong_type", "'{value}' is no number (like 1054.50).", value=text[:40]) from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** (DIGITS_MAX - scale):
        raise Wrong(
            "out_of_range", "At most {digits} digits fit before the point.", digits=DIGITS_MAX - scale
        )
    exact = number.quantize(Decimal(1).scaleb(-scale))
    if exact != number:
        raise Wrong("too_precise", "At most {scale} decimals are kept here.", scale=scale)
    if exact.is_zero():
        exact = abs(exact)  # -0 is 0
    _check_bounds(field, exact)
    return exact


def _store_scaled(field: Field, dialect: Dialect) -> Convert | None:
    if dialect == "postgresql":
        return None
    scale = _decimal_scale(field)
    return lambda value: int(value.scaleb(scale))


def unscale(value: int, scale: int) -> str:
    """The JSON text of a scaled integer: `unscale(105450, 2)` is "1054.50"."""
    if not scale:
        return str(value)
    whole, rest = divmod(abs(value), 10**scale)
    return f"{'-' if value < 0 else ''}{whole}.{rest:0{scale}d}"


def _show_scaled(field: Field, dialect: Dialect) -> Convert | None:
    scale = _decimal_scale(field)
    if dialect == "postgresql":
        return None  # the connection reads NUMERIC as text, which has exactly `scale` decimals
    if scale == 2:
        return lambda v: f"{v // 100}.{v % 100:02d}" if v >= 0 else unscale(v, 2)
    return lambda v: unscale(v, scale)


def _revive_scaled(field: Field, dialect: Dialect) -> Convert | None:
    if dialect == "postgresql":
        return Decimal
    scale = _decimal_scale(field)
    return lambda value: Decimal(value).scaleb(-scale)


# -- the rest --------------------------------------------------------------------------------------------


def _load_boolean(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Wrong("wrong_type", "true or false is needed here.")


def _load_date(field: Field, value: Any) -> date:
    if isinstance(value, str) and DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise Wrong("bad_date", "There is no date {value}.", value=value) from None
    raise Wrong("wrong_type", "A date like 2026-03-31 is needed here.")


def _load_datetime(field: Field, value: Any) -> datetime:
    if not isinstance(value, str) or not DATETIME.fullmatch(value):
        raise Wrong("wrong_type", "A moment like 2026-03-31T10:00:00Z is needed here, with its offset.")
    try:
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong("bad_date", "There is no moment {value}.", value=value[:40]) from None
    return moment


def moment_text(value: datetime) -> str:
    """The fixed-width text of a moment: `2026-03-31T10:00:00.000000Z`, always 27 characters."""
    naive = value.astimezone(UTC).replace(tzinfo=None)
    text = naive.isoformat(timespec="microseconds")
    return text + "Z"


def _show_utc(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")[:26] + "Z"  # the session's zone is UTC


def read_moment(text: str) -> datetime:
    """The moment of a fixed-width text."""
    return datetime.fromisoformat(text)


def _json_size(value: Any) -> str:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError):
        raise Wrong("wrong_type", "A JSON value is needed here.") from None
    if len(text) > LONG_TEXT_MAX:
        raise Wrong("too_long", "At most {limit} characters fit; this has {length}.",
                    limit=LONG_TEXT_MAX, length=len(text))  # fmt: skip
    return text


def _load_json(field: Field, value: Any) -> Any:
    return orjson.loads(_json_size(value))


def _always(convert: Convert) -> Callable[[Field, Dialect], Convert | None]:
    return lambda field, dialect: convert


def _sqlite_only(convert: Convert) -> Callable[[Field, Dialect], Convert | None]:
    return lambda field, dialect: convert if dialect == "sqlite" else None


def _postgresql_only(convert: Convert) -> Callable[[Field, Dialect], Convert | None]:
    return lambda field, dialect: convert if dialect == "postgresql" else None


_TEXT = 'text COLLATE "C"'
_NUMBER_TEXT = MappingProxyType({"type": "string", "format": "decimal"})
_INTEGER = MappingProxyType({"type": "integer"})


def _text_kind(name: str, load: Load, **more: Any) -> Kind:
    # 18 bytes is a TOAST pointer; short values stay in the row only while it fits
    return Kind(name=name, sqlite="TEXT", postgresql=_TEXT, load=load, width=20, **more)


def _scaled_kind(name: str) -> Kind:
    return Kind(
        name=name,
        sqlite="INTEGER",
        postgresql="numeric(19, {scale})",
        load=_load_decimal,
        store=_store_scaled,
        show=_show_scaled,
        revive=_revive_scaled,
        scale=_decimal_scale,
        measure=True,
        width=16,
        json_type=_NUMBER_TEXT,
    )


def _reference_kind(name: str) -> Kind:
    return Kind(name=name, sqlite="INTEGER", postgresql="bigint", load=_load_id, json_type=_INTEGER)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _text_kind("text", _load_text, sort_key=True),
            _text_kind("long_text", _text_of(LONG_TEXT_MAX), sort_key=True, sortable=False),
            _text_kind(
                "email",
                _load_email,
                sort_key=True,
                json_type=MappingProxyType({"type": "string", "format": "email"}),
            ),
            _text_kind("phone", _load_phone, sort_key=True),
            _text_kind("url", _load_url, sort_key=True),
            _text_kind("select", _load_select),
            _text_kind(
                "currency_code",
                _load_currency_code,
                json_type=MappingProxyType({"type": "string", "pattern": "^[A-Za-z]{3}$"}),
            ),
            Kind(
                name="integer",
                sqlite="INTEGER",
                postgresql="bigint",
                load=_load_integer,
                measure=True,
                json_type=_INTEGER,
            ),
            _reference_kind("id"),
            _reference_kind("lookup"),
            _reference_kind("user"),
            _scaled_kind("decimal"),
            _scaled_kind("currency"),
            _scaled_kind("percent"),
            Kind(
                name="boolean",
                sqlite="INTEGER",
                postgresql="boolean",
                load=_load_boolean,
                store=_sqlite_only(int),
                show=_sqlite_only(bool),
                revive=_sqlite_only(bool),
                json_type=MappingProxyType({"type": "boolean"}),
            ),
            Kind(
                name="date",
                sqlite="TEXT",
                postgresql="date",
                load=_load_date,
                store=_sqlite_only(date.isoformat),
                # both engines hand out the ISO text: the connection reads PostgreSQL's date as text
                revive=_always(date.fromisoformat),
                json_type=MappingProxyType({"type": "string", "format": "date"}),
            ),
            Kind(
                name="datetime",
                sqlite="TEXT",
                postgresql="timestamptz",
                load=_load_datetime,
                store=_sqlite_only(moment_text),
                show=_postgresql_only(_show_utc),
                revive=_sqlite_only(read_moment),
                json_type=MappingProxyType({"type": "string", "format": "date-time"}),
            ),
            Kind(
                name="json",
                sqlite="TEXT",
                postgresql="text",
                load=_load_json,
                store=_always(_json_size),
                show=_always(orjson.loads),
                revive=_always(orjson.loads),
                sortable=False,
                width=20,
                json_type=MappingProxyType({}),
            ),
        )
    }
)
"""Every kind by the name of its field type; `id` and `currency_code` are the core's own."""


def python_to_json(kind: Kind, field: Field, value: Any) -> Any:
    """The JSON form of a Python value."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value.quantize(Decimal(1).scaleb(-kind.scale(field))))
    return value
